"""A node, as far as it tells whether its pods live: held only with permission to read nodes."""

import sys
from dataclasses import dataclass
from typing import Final

from ray_operator.operator.documents import (
    JsonObject,
    get_flag,
    get_object,
    get_objects,
    get_text,
)
from ray_operator.operator.keys import Key

OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"
"""Taint by which a person says that a node is gone for good (KEP-2268)."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node."""

    key: Key
    uid: str
    resource_version: str
    is_ready: bool
    is_unschedulable: bool
    taints: frozenset[str]

    @property
    def is_lost(self) -> bool:
        """Whether pods here will never report again."""
        return not self.is_ready and OUT_OF_SERVICE in self.taints


def project(document: JsonObject) -> NodeView:
    """Read a node."""
    metadata, spec = get_object(document, "metadata"), get_object(document, "spec")
    conditions = get_objects(get_object(document, "status"), "conditions")
    return NodeView(
        key=Key("", get_text(metadata, "name")),
        uid=get_text(metadata, "uid"),
        resource_version=get_text(metadata, "resourceVersion"),
        is_ready=any(
            get_text(c, "type") == "Ready" and get_text(c, "status") == "True" for c in conditions
        ),
        is_unschedulable=get_flag(spec, "unschedulable"),
        taints=frozenset(sys.intern(get_text(t, "key")) for t in get_objects(spec, "taints")),
    )
