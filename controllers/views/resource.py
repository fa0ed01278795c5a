"""A RayCluster or RayService (and later RayJob, RayCronJob): metadata, and the rest as bytes.

A parsed object costs ten times its JSON, so the cache keeps compact bytes without managedFields and
parses on demand; `generation` tells when a parsed spec is still the same.
"""

import sys
from dataclasses import dataclass
from datetime import datetime

from ray_operator.api import annotations as annotation_keys
from ray_operator.api.conditions import Condition, find_condition, parse_conditions
from ray_operator.controllers.views.ownership import Owner, controller_of
from ray_operator.operator.documents import (
    JsonObject,
    decode,
    encode,
    get_int,
    get_items,
    get_object,
    get_objects,
    get_text,
    get_texts,
    get_time,
    shallow,
)
from ray_operator.operator.keys import Key, ObjectRef


@dataclass(frozen=True, slots=True)
class ResourceView:
    """One custom resource.  `annotations` are without kubectl's last-applied copy of the object."""

    api_version: str
    kind: str
    key: Key
    uid: str
    resource_version: str
    generation: int
    labels: dict[str, str]
    annotations: dict[str, str]
    finalizers: tuple[str, ...]
    owner: Owner | None
    created: datetime | None
    deleted: datetime | None
    managed_by: str
    phase: str
    """The names of the conditions that are True, joined: a change of it is a change of state."""
    spec_bytes: bytes
    status_bytes: bytes

    @property
    def name(self) -> str:
        """The object's name."""
        return self.key.name

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        return self.key.namespace

    @property
    def owner_uid(self) -> str:
        """The UID of the controller; empty without one."""
        return self.owner.uid if self.owner else ""

    @property
    def is_terminating(self) -> bool:
        """Whether deletion has begun."""
        return self.deleted is not None

    @property
    def ref(self) -> ObjectRef:
        """The object as an owner of children and the subject of events."""
        return ObjectRef(
            api_version=self.api_version,
            kind=self.kind,
            namespace=self.key.namespace,
            name=self.key.name,
            uid=self.uid,
            resource_version=self.resource_version,
        )

    def spec(self) -> JsonObject:
        """Parse the spec: a fresh document at each call."""
        return decode(self.spec_bytes)

    def status(self) -> JsonObject:
        """Parse the status: a fresh document at each call."""
        return decode(self.status_bytes)

    def conditions(self) -> tuple[Condition, ...]:
        """Parse the status's conditions."""
        return parse_conditions(get_objects(self.status(), "conditions"))

    def claims(self, type_: str) -> bool:
        """Tell whether one of the status's conditions is True, without parsing the status."""
        return type_ in self.phase.split(",")

    def condition(self, type_: str) -> Condition | None:
        """Return one of the status's conditions."""
        return find_condition(self.conditions(), type_)


def project(document: JsonObject) -> ResourceView:
    """Read a custom resource."""
    metadata, spec = get_object(document, "metadata"), get_object(document, "spec")
    status = get_object(document, "status")
    kept = get_texts(metadata, "annotations")
    kept.pop(annotation_keys.LAST_APPLIED, None)
    return ResourceView(
        api_version=sys.intern(get_text(document, "apiVersion")),
        kind=sys.intern(get_text(document, "kind")),
        key=Key(sys.intern(get_text(metadata, "namespace")), get_text(metadata, "name")),
        uid=sys.intern(get_text(metadata, "uid")),
        resource_version=get_text(metadata, "resourceVersion"),
        generation=get_int(metadata, "generation"),
        labels=get_texts(metadata, "labels"),
        annotations=kept,
        finalizers=tuple(str(item) for item in get_items(metadata, "finalizers")),
        owner=controller_of(metadata),
        created=get_time(metadata, "creationTimestamp"),
        deleted=get_time(metadata, "deletionTimestamp"),
        managed_by=sys.intern(get_text(spec, "managedBy")),
        phase=sys.intern(_phase(status)),
        spec_bytes=_compact(spec),
        status_bytes=_compact(status),
    )


def needs_attention(old: ResourceView | None, new: ResourceView | None) -> bool:
    """Tell whether a change is more than our own status write: then the key goes on the queue."""
    if old is None or new is None:
        return True
    return (
        old.uid != new.uid
        or old.generation != new.generation
        or old.deleted != new.deleted
        or old.phase != new.phase
        or old.labels != new.labels
        or old.annotations != new.annotations
        or old.finalizers != new.finalizers
    )


def _phase(status: JsonObject) -> str:
    true = (
        get_text(entry, "type")
        for entry in get_objects(status, "conditions")
        if get_text(entry, "status") == "True"
    )
    return ",".join(sorted(true))


def _compact(document: JsonObject) -> bytes:
    """Copy: what orjson returns keeps a larger block than it fills."""
    try:
        text = encode(document)
    except TypeError:  # nested too deeply; whoever judges the spec finds it still too deep
        text = encode(shallow(document))
    return bytes(memoryview(text))
