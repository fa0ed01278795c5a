"""A small child object of which we compare a few fields: RBAC objects, budgets, accounts."""

import sys
from dataclasses import dataclass

from ray_operator.controllers.views.ownership import Owner, controller_of
from ray_operator.operator.documents import (
    JsonObject,
    decode,
    encode,
    get_object,
    get_text,
    get_texts,
)
from ray_operator.operator.keys import Key

_KEPT = ("rules", "subjects", "roleRef", "spec")


@dataclass(frozen=True, slots=True)
class ChildView:
    """One object; `body_bytes` holds its rules, subjects, roleRef or spec as JSON."""

    key: Key
    uid: str
    resource_version: str
    labels: dict[str, str]
    owner: Owner | None
    body_bytes: bytes

    @property
    def name(self) -> str:
        """The object's name."""
        return self.key.name

    @property
    def owner_uid(self) -> str:
        """The UID of the controller; empty without one."""
        return self.owner.uid if self.owner else ""

    def body(self) -> JsonObject:
        """Parse what is compared."""
        return decode(self.body_bytes)


def project(document: JsonObject) -> ChildView:
    """Read a child object."""
    metadata = get_object(document, "metadata")
    body = {key: document[key] for key in _KEPT if key in document}
    return ChildView(
        key=Key(sys.intern(get_text(metadata, "namespace")), get_text(metadata, "name")),
        uid=get_text(metadata, "uid"),
        resource_version=get_text(metadata, "resourceVersion"),
        labels=get_texts(metadata, "labels"),
        owner=controller_of(metadata),
        body_bytes=bytes(memoryview(encode(body))),
    )
