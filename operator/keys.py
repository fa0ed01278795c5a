"""How objects are named inside the process: a queue carries a `Key` and nothing of the event."""

from dataclasses import dataclass
from typing import NamedTuple

from ray_operator.operator.documents import JsonObject


class Key(NamedTuple):
    """Namespace and name; the namespace of a cluster-scoped object is ""."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One life of one object: enough to own children and to be the subject of events.

    `resource_version` is what the caller saw last; "" if it doesn't matter.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str = ""

    @property
    def key(self) -> Key:
        """The key under which this object is queued and cached."""
        return Key(self.namespace, self.name)

    def owner_reference(self) -> JsonObject:
        """Return the controller reference that makes this object the owner of a child."""
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
