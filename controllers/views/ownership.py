"""Who owns an object: the one controller reference among its owner references."""

import sys
from dataclasses import dataclass

from ray_operator.operator.documents import JsonObject, get_flag, get_objects, get_text


@dataclass(frozen=True, slots=True)
class Owner:
    """A controller reference."""

    kind: str
    name: str
    uid: str


def controller_of(metadata: JsonObject) -> Owner | None:
    """Return the controller among `ownerReferences`; `None` if there is none."""
    for reference in get_objects(metadata, "ownerReferences"):
        if get_flag(reference, "controller"):
            return Owner(
                kind=sys.intern(get_text(reference, "kind")),
                name=sys.intern(get_text(reference, "name")),
                uid=sys.intern(get_text(reference, "uid")),
            )
    return None
