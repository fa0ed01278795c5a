"""An EndpointSlice: which pods stand behind a Service, and which of them are ready."""

import sys
from dataclasses import dataclass

from ray_operator.api import labels
from ray_operator.operator.documents import (
    JsonObject,
    get_items,
    get_object,
    get_objects,
    get_text,
    get_texts,
)
from ray_operator.operator.keys import Key


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint; `uid` is its pod's, empty if it has none.

    A condition that is absent means ready, as the API says.
    """

    uid: str
    pod: str
    addresses: tuple[str, ...]
    is_ready: bool


@dataclass(frozen=True, slots=True)
class EndpointSliceView:
    """One EndpointSlice; `service` is the key of the Service that it belongs to."""

    key: Key
    uid: str
    resource_version: str
    service: Key
    endpoints: tuple[Endpoint, ...]


def project(document: JsonObject) -> EndpointSliceView:
    """Read an EndpointSlice."""
    metadata = get_object(document, "metadata")
    namespace = sys.intern(get_text(metadata, "namespace"))
    service = get_texts(metadata, "labels").get(labels.SERVICE_NAME, "")
    return EndpointSliceView(
        key=Key(namespace, get_text(metadata, "name")),
        uid=get_text(metadata, "uid"),
        resource_version=get_text(metadata, "resourceVersion"),
        service=Key(namespace, service),
        endpoints=tuple(_endpoint(entry) for entry in get_objects(document, "endpoints")),
    )


def _endpoint(raw: JsonObject) -> Endpoint:
    target = get_object(raw, "targetRef")
    return Endpoint(
        uid=get_text(target, "uid"),
        pod=get_text(target, "name"),
        addresses=tuple(a for a in get_items(raw, "addresses") if isinstance(a, str)),
        is_ready=get_object(raw, "conditions").get("ready") is not False,
    )
