"""The Services of a cluster, and how a live one differs from what it should be.

Services are derived state: every pass builds the wanted manifest and `service_patch` says what to
change on the live object (raycluster.md 11).  The same builders serve a RayService, whose Services
select the pods of one of its clusters under another name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ray_operator.api import annotations, labels, names
from ray_operator.api.kinds import RAY_CLUSTER
from ray_operator.controllers.manifests.cluster import Cluster
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.ports import DASHBOARD_AGENT, Port, port_number
from ray_operator.controllers.views.service import ServicePort, ServiceView
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_int,
    get_object,
    get_objects,
    get_text,
    get_texts,
)

CLUSTER_IP = "ClusterIP"
HEADLESS = "None"


@dataclass(frozen=True, slots=True)
class ServiceIdentity:
    """Under which name and labels a Service stands when it is not the cluster's own."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


def head_selector(cluster: Cluster) -> dict[str, str]:
    """Return what selects the head pod of a cluster, and nothing else."""
    own = get_texts(get_object(cluster.head.template, "metadata"), "labels")
    return {
        labels.CLUSTER: cluster.name,
        labels.NODE_TYPE: labels.HEAD,
        labels.IDENTIFIER: names.head_identifier(cluster.name),
        labels.APP_NAME: cluster.head.labels.get(labels.APP_NAME)
        or own.get(labels.APP_NAME, labels.APP_NAME_VALUE),
        labels.CREATED_BY: labels.CREATED_BY_VALUE,
    }


def head_service(
    cluster: Cluster,
    options: BuildOptions,
    identity: ServiceIdentity | None = None,
) -> JsonObject:
    """Return the Service in front of a cluster's head.

    Workers reach GCS through it before the head is ready, hence publishNotReadyAddresses.

    Args:
        cluster: whose head it selects.
        options: the installation's.
        identity: name and labels of a RayService's Service; `None` for the cluster's own.
    """
    template = cluster.head_service_template
    selector = head_selector(cluster)
    own_labels = {**_app_labels(), **identity.labels} if identity else selector
    meta = get_object(template, "metadata")
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": identity.name if identity else cluster.head_service_name,
            "namespace": cluster.namespace,
            "labels": {**get_texts(meta, "labels"), **own_labels},
            "annotations": {
                **get_texts(meta, "annotations"),
                **cluster.head_service_annotations,
            },
        },
        "spec": {
            **_addressing(cluster, options),
            **get_object(template, "spec"),
            "type": _head_service_type(cluster),
            "selector": selector,
            "ports": _head_ports(cluster),
        },
    }


def dashboard_service(cluster: Cluster) -> JsonObject:
    """Return the Service in front of the dashboard agent on the head."""
    name = names.dashboard_service(cluster.name)
    port = Port(DASHBOARD_AGENT, port_number(cluster.ports, DASHBOARD_AGENT))
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": cluster.namespace,
            "labels": {
                **_app_labels(),
                labels.CLUSTER: cluster.name,
                labels.CLUSTER_DASHBOARD: names.check_label(f"{cluster.name}-dashboard"),
            },
        },
        "spec": {
            "type": cluster.service_type or CLUSTER_IP,
            "selector": {labels.CLUSTER: cluster.name, labels.NODE_TYPE: labels.HEAD},
            "ports": [_port(port)],
        },
    }


def headless_service(cluster: Cluster) -> JsonObject:
    """Return the Service that gives the workers of multi-host groups their DNS names."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": names.headless_worker_service(cluster.name),
            "namespace": cluster.namespace,
            "labels": {
                **_app_labels(),
                labels.CLUSTER: cluster.name,
                labels.HEADLESS_WORKER_SERVICE: cluster.name,
            },
        },
        "spec": {
            "type": CLUSTER_IP,
            "clusterIP": HEADLESS,
            "publishNotReadyAddresses": True,
            "selector": {labels.CLUSTER: cluster.name, labels.NODE_TYPE: labels.WORKER},
        },
    }


def cluster_serve_service(cluster: Cluster) -> JsonObject:
    """Return the Service in front of the Serve proxies of a cluster without a RayService."""
    name = names.serve_service(cluster.name)
    own = {
        labels.ORIGINATED_FROM_NAME: cluster.name,
        labels.ORIGINATED_FROM_CRD: RAY_CLUSTER.name,
        labels.SERVE: f"{cluster.name}-serve",
    }
    return serve_service(cluster, ServiceIdentity(name, own), {labels.CLUSTER: cluster.name})


def serve_service(
    cluster: Cluster,
    identity: ServiceIdentity,
    selector: Mapping[str, str],
    template: JsonObject | None = None,
) -> JsonObject:
    """Return a Service in front of Serve proxies; it always has an address.

    Args:
        cluster: whose ports named `serve` or `serve-…` it offers.
        identity: its name (a template's own name wins) and labels.
        selector: which pods serve.
        template: the user's `serveService`; of its ports only those that Serve has are kept.
    """
    template = template or {}
    meta, spec = get_object(template, "metadata"), get_object(template, "spec")
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": get_text(meta, "name") or identity.name,
            "namespace": cluster.namespace,
            "labels": {**get_texts(meta, "labels"), **_app_labels(), **identity.labels},
            "annotations": get_texts(meta, "annotations"),
        },
        "spec": {
            **{key: value for key, value in spec.items() if value != HEADLESS},
            "type": get_text(spec, "type") or cluster.service_type or CLUSTER_IP,
            "selector": dict(selector),
            "ports": _serve_ports(cluster, get_objects(spec, "ports")),
        },
    }


def wants_dashboard_service(cluster: Cluster, options: BuildOptions) -> bool:
    """Tell whether a cluster gets a Service for its dashboard agent."""
    asked = cluster.annotations.get(annotations.ENABLE_AGENT_SERVICE, "").lower() == labels.TRUE
    return options.dashboard_agent_service and (asked or cluster.serves)


def wants_serve_service(cluster: Cluster) -> bool:
    """Tell whether a plain cluster gets a Service for Serve; those of a RayService have its own."""
    return cluster.annotations.get(annotations.ENABLE_SERVE_SERVICE) == labels.TRUE


def wants_headless_service(cluster: Cluster) -> bool:
    """Tell whether workers need DNS names: in multi-host groups, and in a service mesh."""
    return cluster.multi_host or cluster.annotations.get(annotations.MESH) == "istio"


def service_patch(live: ServiceView, wanted: JsonObject) -> JsonObject | None:
    """Return the merge patch that makes `live` what it should be; `None` if it is already.

    Labels and annotations that are not ours stay, allocated node ports too.  Whether a Service has
    an address can't be changed; see `address_differs`.
    """
    meta, spec = get_object(wanted, "metadata"), get_object(wanted, "spec")
    patch: dict[str, JsonValue] = {}
    changed = {
        "labels": _missing(get_texts(meta, "labels"), live.labels),
        "annotations": _missing(get_texts(meta, "annotations"), live.annotations),
    }
    if any(changed.values()):
        patch["metadata"] = {key: texts for key, texts in changed.items() if texts}
    if spec_changes := _spec_changes(live, spec):
        patch["spec"] = spec_changes
    return patch or None


def address_differs(live: ServiceView, wanted: JsonObject) -> bool:
    """Tell whether only one of them has an address: nothing but a new Service changes that."""
    asked = get_text(get_object(wanted, "spec"), "clusterIP") == HEADLESS
    return asked != live.is_headless


def _spec_changes(live: ServiceView, spec: JsonObject) -> dict[str, JsonValue]:
    changes: dict[str, JsonValue] = {}
    selector = get_texts(spec, "selector")
    if dict(live.selector) != selector:
        gone: dict[str, JsonValue] = {key: None for key in live.selector if key not in selector}
        changes["selector"] = {**gone, **selector}
    ports = get_objects(spec, "ports")
    if not _ports_match(live, ports):
        changes["ports"] = [_with_node_port(port, live) for port in ports]
    if get_text(spec, "type", CLUSTER_IP) != live.type and not live.is_headless:
        changes["type"] = get_text(spec, "type", CLUSTER_IP)
    published = spec.get("publishNotReadyAddresses")
    if isinstance(published, bool) and published != live.publishes_not_ready:
        changes["publishNotReadyAddresses"] = published
    return changes


def _ports_match(live: ServiceView, wanted: Iterable[JsonObject]) -> bool:
    ports = tuple(wanted)
    by_name = {port.name: port for port in live.ports}
    return len(ports) == len(live.ports) and all(
        _port_matches(by_name.get(get_text(port, "name")), port) for port in ports
    )


def _port_matches(live: ServicePort | None, wanted: JsonObject) -> bool:
    """Compare what we set; the API server adds target and node ports of its own."""
    return (
        live is not None
        and live.port == get_int(wanted, "port")
        and live.protocol == get_text(wanted, "protocol", "TCP")
        and live.app_protocol == get_text(wanted, "appProtocol")
        and str(wanted.get("targetPort", live.target_port)) == live.target_port
        and get_int(wanted, "nodePort") in {0, live.node_port}
    )


def _with_node_port(port: JsonObject, live: ServiceView) -> JsonObject:
    """Keep an allocated node port: a patch replaces the whole list, and users may rely on it."""
    same = next((p for p in live.ports if p.name == get_text(port, "name")), None)
    if same is None or not same.node_port or "nodePort" in port:
        return port
    return {**port, "nodePort": same.node_port}


def _missing(wanted: Mapping[str, str], live: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in wanted.items() if live.get(key) != text}


def _addressing(cluster: Cluster, options: BuildOptions) -> dict[str, JsonValue]:
    addressing: dict[str, JsonValue] = {"publishNotReadyAddresses": True}
    if not options.head_service_has_address and _head_service_type(cluster) == CLUSTER_IP:
        addressing["clusterIP"] = HEADLESS
    return addressing


def _head_service_type(cluster: Cluster) -> str:
    own = get_text(get_object(cluster.head_service_template, "spec"), "type")
    return own or cluster.service_type or CLUSTER_IP


def _head_ports(cluster: Cluster) -> list[JsonObject]:
    """Return the user's ports and those inferred whose name and number are free, sorted by name."""
    users = get_objects(get_object(cluster.head_service_template, "spec"), "ports")
    taken_names = {get_text(port, "name") for port in users}
    taken_numbers = {get_int(port, "port") for port in users}
    inferred = [
        _port(port, app_protocol="tcp")
        for port in cluster.ports
        if port.name not in taken_names and port.number not in taken_numbers
    ]
    return sorted([*users, *inferred], key=lambda port: get_text(port, "name"))


def _serve_ports(cluster: Cluster, users: Iterable[JsonObject]) -> list[JsonObject]:
    by_name = {get_text(port, "name"): port for port in users}
    return [by_name.get(port.name) or _port(port) for port in cluster.ports if port.carries_serve]


def _port(port: Port, app_protocol: str = "") -> JsonObject:
    manifest: dict[str, JsonValue] = {
        "name": port.name,
        "port": port.number,
        "protocol": "TCP",
    }
    if app_protocol:
        manifest["appProtocol"] = app_protocol
    return manifest


def _app_labels() -> dict[str, str]:
    return {labels.APP_NAME: labels.APP_NAME_VALUE, labels.CREATED_BY: labels.CREATED_BY_VALUE}
