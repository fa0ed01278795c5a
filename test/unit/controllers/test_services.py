from dataclasses import replace

import pytest

from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.services import (
    ServiceIdentity,
    address_differs,
    head_service,
    serve_service,
    service_patch,
)
from ray_operator.controllers.views.service import ServicePort
from ray_operator.operator.documents import JsonObject, get_object, get_objects, get_text, get_texts
from support.builders import a_cluster, a_container, a_head, a_template, seen
from support.observations import a_service

OPTIONS = BuildOptions()


def names(service: JsonObject) -> list[str]:
    return [get_text(port, "name") for port in get_objects(get_object(service, "spec"), "ports")]


def test_a_live_service_as_it_should_be_needs_no_patch() -> None:
    wanted = head_service(seen(a_cluster()), OPTIONS)
    assert service_patch(a_service(wanted), wanted) is None


def test_what_was_bent_is_mended_and_what_is_foreign_stays() -> None:
    wanted = head_service(seen(a_cluster()), OPTIONS)
    live = a_service(wanted, selector={"app": "x"}, type="NodePort")
    live = replace(live, labels={"theirs": "kept"}, annotations={"theirs": "kept"})
    patch = service_patch(live, wanted)
    assert patch is not None
    spec = get_object(patch, "spec")
    assert get_object(spec, "selector")["app"] is None
    assert get_text(spec, "type") == "ClusterIP"
    assert "theirs" not in get_object(patch, "metadata", "labels")
    assert "ports" not in spec


def test_a_changed_port_keeps_the_node_ports_of_the_others() -> None:
    cluster = seen(a_cluster(head=a_head(serviceType="NodePort")))
    wanted = head_service(cluster, OPTIONS)
    live = a_service(wanted)
    allocated = tuple(replace(port, node_port=30000 + i) for i, port in enumerate(live.ports))
    old = ServicePort("gone", 1, "TCP", "tcp", "1", 30100)
    assert service_patch(replace(live, ports=allocated), wanted) is None
    patch = service_patch(replace(live, ports=(*allocated, old)), wanted)
    assert patch is not None
    ports = get_objects(get_object(patch, "spec"), "ports")
    assert [port["nodePort"] for port in ports] == [30000 + i for i in range(6)]


def test_a_headless_service_is_neither_retyped_nor_given_an_address() -> None:
    wanted = head_service(seen(a_cluster()), OPTIONS)
    live = a_service(wanted, clusterIP="None")
    assert address_differs(live, wanted)
    assert service_patch(live, wanted) is None
    headless = head_service(seen(a_cluster()), BuildOptions(head_service_has_address=False))
    assert not address_differs(live, headless)


def test_a_users_head_service_is_merged() -> None:
    own: JsonObject = {
        "metadata": {
            "name": "mine",
            "namespace": "elsewhere",
            "labels": {"a": "b", "ray.io/cluster": "other"},
            "annotations": {"x": "1", "y": "1"},
        },
        "spec": {
            "selector": {"app": "mine"},
            "type": "LoadBalancer",
            "ports": [
                {"name": "dashboard", "port": 80, "targetPort": 8265},
                {"name": "extra", "port": 10001},
            ],
        },
    }
    cluster = seen(a_cluster(head=a_head(headService=own), headServiceAnnotations={"y": "2"}))
    service = head_service(cluster, OPTIONS)
    metadata = get_object(service, "metadata")
    assert get_text(metadata, "name") == "mine"
    assert get_text(metadata, "namespace") == "ns1"
    assert get_texts(metadata, "labels")["a"] == "b"
    assert get_texts(metadata, "labels")["ray.io/cluster"] == "demo"
    assert get_texts(metadata, "annotations") == {"x": "1", "y": "2"}
    assert get_texts(get_object(service, "spec"), "selector")["ray.io/node-type"] == "head"
    assert get_text(get_object(service, "spec"), "type") == "LoadBalancer"
    assert names(service) == [
        "dashboard",
        "dashboard-agent",
        "extra",
        "gcs-server",
        "metrics",
        "serve",
    ]
    assert cluster.head_host("cluster.local") == "mine.ns1.svc.cluster.local"


def test_the_selector_follows_a_templates_application_name() -> None:
    template = {**a_template(), "metadata": {"labels": {"app.kubernetes.io/name": "mine"}}}
    service = head_service(seen(a_cluster(head=a_head(template))), OPTIONS)
    selector = get_texts(get_object(service, "spec"), "selector")
    assert selector["app.kubernetes.io/name"] == "mine"


def test_a_services_head_service_selects_the_head_of_its_cluster() -> None:
    cluster = seen(a_cluster())
    identity = ServiceIdentity("rs-head-svc", {"ray.io/identifier": "rs-head"})
    service = head_service(cluster, OPTIONS, identity)
    own = head_service(cluster, OPTIONS)
    assert get_object(service, "spec") == get_object(own, "spec")
    labels = get_texts(get_object(service, "metadata"), "labels")
    assert labels["ray.io/identifier"] == "rs-head"
    assert labels["app.kubernetes.io/created-by"] == "kuberay-operator"


@pytest.mark.parametrize("type_", ["", "NodePort"])
def test_a_serve_service_offers_what_serves(type_: str) -> None:
    ports: list[JsonObject] = [
        {"name": "serve", "containerPort": 8000},
        {"name": "serve-b", "containerPort": 9000},
    ]
    container = a_container(ports=ports)
    cluster = seen(a_cluster(head=a_head(a_template(container), serviceType=type_)))
    template: JsonObject = {
        "metadata": {"name": "mine", "labels": {"a": "b"}},
        "spec": {
            "clusterIP": "None",
            "selector": {"app": "x"},
            "ports": [
                {"name": "serve", "port": 80, "targetPort": 8000},
                {"name": "other", "port": 1},
            ],
        },
    }
    identity = ServiceIdentity("rs-serve-svc", {"ray.io/serve": "rs-serve"})
    service = serve_service(cluster, identity, {"ray.io/serve": "true"}, template)
    spec = get_object(service, "spec")
    assert get_text(get_object(service, "metadata"), "name") == "mine"
    assert names(service) == ["serve", "serve-b"]
    assert get_objects(spec, "ports")[0]["port"] == 80
    assert get_texts(spec, "selector") == {"ray.io/serve": "true"}
    assert "clusterIP" not in spec
    assert get_text(spec, "type") == (type_ or "ClusterIP")
