"""A Service, as far as we compare it with what it should be."""

import sys
from dataclasses import dataclass
from typing import Final

from ray_operator.controllers.views.ownership import Owner, controller_of
from ray_operator.operator.documents import (
    JsonObject,
    get_flag,
    get_int,
    get_object,
    get_objects,
    get_text,
    get_texts,
    get_time,
)
from ray_operator.operator.keys import Key

HEADLESS: Final = "None"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port; `target_port` is a number or a name as text, `node_port` 0 if there is none."""

    name: str
    port: int
    protocol: str
    app_protocol: str
    target_port: str
    node_port: int


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One Service."""

    key: Key
    uid: str
    resource_version: str
    labels: dict[str, str]
    annotations: dict[str, str]
    owner: Owner | None
    is_terminating: bool
    type: str
    cluster_ip: str
    publishes_not_ready: bool
    selector: dict[str, str]
    ports: tuple[ServicePort, ...]

    @property
    def name(self) -> str:
        """The Service's name."""
        return self.key.name

    @property
    def owner_uid(self) -> str:
        """The UID of the controller; empty without one."""
        return self.owner.uid if self.owner else ""

    @property
    def is_headless(self) -> bool:
        """Whether the Service has no address of its own."""
        return self.cluster_ip == HEADLESS


def project(document: JsonObject) -> ServiceView:
    """Read a Service."""
    metadata, spec = get_object(document, "metadata"), get_object(document, "spec")
    return ServiceView(
        key=Key(sys.intern(get_text(metadata, "namespace")), get_text(metadata, "name")),
        uid=get_text(metadata, "uid"),
        resource_version=get_text(metadata, "resourceVersion"),
        labels=get_texts(metadata, "labels"),
        annotations=get_texts(metadata, "annotations"),
        owner=controller_of(metadata),
        is_terminating=get_time(metadata, "deletionTimestamp") is not None,
        type=sys.intern(get_text(spec, "type", "ClusterIP")),
        cluster_ip=get_text(spec, "clusterIP"),
        publishes_not_ready=get_flag(spec, "publishNotReadyAddresses"),
        selector=get_texts(spec, "selector"),
        ports=tuple(_port(port) for port in get_objects(spec, "ports")),
    )


def _port(raw: JsonObject) -> ServicePort:
    target = raw.get("targetPort")
    return ServicePort(
        name=sys.intern(get_text(raw, "name")),
        port=get_int(raw, "port"),
        protocol=sys.intern(get_text(raw, "protocol", "TCP")),
        app_protocol=sys.intern(get_text(raw, "appProtocol")),
        target_port="" if target is None else str(target),
        node_port=get_int(raw, "nodePort"),
    )
