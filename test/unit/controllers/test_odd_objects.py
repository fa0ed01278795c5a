"""Whatever stands in an object, a reconcile of it ends in a status and in words, never in a bug.

Hypothesis puts any JSON value into any place of a spec, a status, an annotation or a child: more
than any schema lets through, as schemas change, differ between versions and are loosened by people.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_operator.api import labels
from ray_operator.api.errors import InvalidSpecError
from ray_operator.api.runtime_env import normalise_runtime_env
from ray_operator.controllers.dashboard.reports import parse_report
from ray_operator.controllers.views import child, endpointslice, node, pod, service
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    decode,
    encode,
    get_object,
)
from ray_operator.operator.resources import PODS
from support.desk import Desk, a_desk
from support.odd_values import CHANGES, VALUES, with_changes

EXAMPLES = settings(max_examples=200)
COMPLETE = Path(__file__).parents[2] / "data" / "complete"
UID = "11111111-2222-3333-4444-555555555555"
OWNER: JsonObject = {"kind": "RayCluster", "name": "complete", "uid": UID, "controller": True}


def stored(kind: str, without: Sequence[str] = (), **parts: JsonValue) -> JsonObject:
    """The complete manifest of a kind, as the API server keeps it."""
    document = yaml.safe_load((COMPLETE / f"{kind}.yaml").read_text(encoding="utf-8"))
    document["metadata"] |= {
        "namespace": "ns1",
        "uid": UID,
        "generation": 2,
        "resourceVersion": "7",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"app": "x"},
        "finalizers": ["ray.io/rayservice-finalizer"],
        "annotations": dict.fromkeys(ANNOTATIONS, "x"),
    }
    document["spec"] = {k: v for k, v in document["spec"].items() if k not in without}
    for group in _groups_of(document["spec"]):
        group.pop("resources", None)  # they exclude the start parameters, and hide what comes later
    return {**document, **parts}


def _groups_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    head = spec.get("headGroupSpec")
    return [*([head] if head else []), *spec.get("workerGroupSpecs", [])]


ANNOTATIONS = (
    "ray.io/ft-enabled",
    "ray.io/serve-config",
    "ray.io/overwrite-container-cmd",
    "ray.io/drain-timeout",
    "ray.io/external-storage-namespace",
    "ray.io/disable-provisioned-head-restart",
)
CONDITION: JsonObject = {
    "type": "Ready",
    "status": "True",
    "reason": "AllReady",
    "message": "x",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "observedGeneration": 1,
}
RAYCLUSTER = stored(
    "raycluster",
    status={
        "state": "ready",
        "reason": "x",
        "observedGeneration": 1,
        "lastUpdateTime": "2026-01-01T00:00:00Z",
        "stateTransitionTimes": {"ready": "2026-01-01T00:00:00Z"},
        "desiredWorkerReplicas": 1,
        "desiredCPU": "1",
        "endpoints": {"client": "10001"},
        "head": {"podIP": "10.0.0.1", "serviceIP": "10.0.0.2"},
        "conditions": [CONDITION, {**CONDITION, "type": "RayClusterSuspending", "status": "False"}],
    },
)
BLOCKING = (
    "networkPolicy",
    "tlsOptions",
    "gcsFaultToleranceOptions",
    "authOptions",
    "idle",
    "historyServerOptions",
)
PLAIN = stored("raycluster", (*BLOCKING, "enableInTreeAutoscaling", "autoscalerOptions"))
SCALED = stored("raycluster", (*BLOCKING, "upgradeStrategy"))
RAYCLUSTERS: Mapping[str, JsonObject] = {"complete": RAYCLUSTER, "plain": PLAIN, "scaled": SCALED}


def as_known(base: JsonObject, changed: JsonObject) -> JsonObject:
    """The changed object with what the API server itself takes care of."""
    ids = ("namespace", "name", "uid", "resourceVersion")
    kept = {key: get_object(base, "metadata")[key] for key in ids}
    kind = {key: base[key] for key in ("apiVersion", "kind") if key in base}
    return {**changed, **kind, "metadata": {**get_object(changed, "metadata"), **kept}}


Changes = Sequence[tuple[int, JsonValue]]


@pytest.mark.parametrize("name", ["plain", "scaled"])
def test_what_is_changed_is_good_at_first(name: str) -> None:
    desk = a_desk()
    reconcile_cluster(desk, RAYCLUSTERS[name])
    made = [manifest for resource, manifest in desk.kube.creations if resource == PODS]
    assert made, desk.told.notes


@EXAMPLES
@given(name=st.sampled_from(sorted(RAYCLUSTERS)), changes=CHANGES)
def test_a_raycluster_of_any_content_is_reconciled(name: str, changes: Changes) -> None:
    desk, base = a_desk(), RAYCLUSTERS[name]
    reconcile_cluster(desk, as_known(base, with_changes(base, changes)))


def reconcile_cluster(desk: Desk, document: JsonObject) -> None:
    key = desk.caches.rayclusters.put(document, listed=True)
    assert not desk.caches.rayclusters.unreadable
    asyncio.run(desk.rayclusters.reconcile(key))


POD: JsonObject = {
    "metadata": {
        "namespace": "ns1",
        "name": "complete-head",
        "uid": "uid-of-pod",
        "resourceVersion": "3",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"ray.io/cluster": "complete", "ray.io/group": "g", "ray.io/node-type": "head"},
        "annotations": {"ray.io/failed-starts": "2", "ray.io/delete-after": "x"},
        "ownerReferences": [OWNER],
    },
    "spec": {"nodeName": "n", "restartPolicy": "Never", "containers": [{"name": "ray"}]},
    "status": {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "conditions": [{**CONDITION}, {**CONDITION, "type": "PodScheduled"}],
        "containerStatuses": [
            {
                "name": "ray",
                "image": "i",
                "restartCount": 2,
                "state": {"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": "x"}},
                "lastState": {"terminated": {"reason": "Error", "exitCode": 1}},
            }
        ],
    },
}
SERVICE: JsonObject = {
    "metadata": {
        "namespace": "ns1",
        "name": "complete-headless",
        "uid": "uid-of-service",
        "resourceVersion": "3",
        "labels": {labels.CREATED_BY: labels.CREATED_BY_VALUE},
        "annotations": {"a": "b"},
        "ownerReferences": [OWNER],
    },
    "spec": {
        "type": "ClusterIP",
        "clusterIP": "None",
        "selector": {"a": "b"},
        "ports": [{"name": "x", "port": 1, "targetPort": "y", "nodePort": 30000}],
        "publishNotReadyAddresses": True,
    },
}
CHILD: JsonObject = {
    "metadata": {**get_object(SERVICE, "metadata"), "name": "complete"},
    "rules": [{"apiGroups": [""], "verbs": ["get"], "resources": ["pods"]}],
    "subjects": [{"kind": "ServiceAccount", "name": "complete"}],
    "roleRef": {"kind": "Role", "name": "complete"},
    "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"a": "b"}}},
}


@EXAMPLES
@given(
    name=st.sampled_from(("plain", "scaled")),
    of_pod=CHANGES,
    of_worker=CHANGES,
    of_service=CHANGES,
    of_child=CHANGES,
)
def test_children_of_any_content_are_reconciled(
    name: str, of_pod: Changes, of_worker: Changes, of_service: Changes, of_child: Changes
) -> None:
    desk = a_desk()
    caches = desk.caches
    caches.pods.put(as_known(POD, with_changes(POD, of_pod)), listed=True)
    worker = {**POD, "metadata": {**get_object(POD, "metadata"), "name": "w", "uid": "w"}}
    caches.pods.put(as_known(worker, with_changes(worker, of_worker)), listed=True)
    caches.services.put(as_known(SERVICE, with_changes(SERVICE, of_service)), listed=True)
    odd = as_known(CHILD, with_changes(CHILD, of_child))
    for informer in (caches.accounts, caches.roles, caches.bindings, caches.budgets):
        informer.put(odd, listed=True)
        assert not informer.unreadable
    assert not caches.pods.unreadable
    assert not caches.services.unreadable
    reconcile_cluster(desk, RAYCLUSTERS[name])


CONFIG = """
http_options: {port: 8000}
applications:
  - name: fruit
    import_path: fruit.app
    route_prefix: /fruit
    runtime_env: {working_dir: "https://example.org/x.zip", env_vars: {A: "1"}}
    deployments:
      - {name: Mango, num_replicas: 1, user_config: {price: 3}, ray_actor_options: {num_cpus: 0.1}}
"""
RAYSERVICE_STATUS: JsonObject = {
    "serviceStatus": "Running",
    "numServeEndpoints": 1,
    "observedGeneration": 1,
    "lastUpdateTime": "2026-01-01T00:00:00Z",
    "conditions": [CONDITION, {**CONDITION, "type": "UpgradeInProgress"}],
    "activeServiceStatus": {
        "rayClusterName": "complete",
        "applicationStatuses": {
            "fruit": {
                "status": "RUNNING",
                "message": "",
                "healthLastUpdateTime": "2026-01-01T00:00:00Z",
                "serveDeploymentStatuses": {"Mango": {"status": "HEALTHY", "message": ""}},
            }
        },
        "rayClusterStatus": {"state": "ready"},
    },
    "pendingServiceStatus": {"rayClusterName": "another"},
}


def a_service(*without: str, **config: JsonValue) -> JsonObject:
    base = stored("rayservice", without, status=RAYSERVICE_STATUS)
    return {**base, "spec": {**get_object(base, "spec"), **config}}


LEGACY = ("serveConfig", "serveDeploymentGraphConfig")
SERVICES: Mapping[str, JsonObject] = {
    "complete": a_service(),
    "text": a_service(*LEGACY, "upgradeStrategy", serveConfigV2=CONFIG),
    "structured": a_service(*LEGACY, serveConfigV2=yaml.safe_load(CONFIG)),
    "legacy": a_service("serveConfigV2", "serveDeploymentGraphConfig", "upgradeStrategy"),
}


@EXAMPLES
@given(name=st.sampled_from(sorted(SERVICES)), changes=CHANGES, of_cluster=CHANGES)
def test_a_rayservice_of_any_content_is_reconciled(
    name: str, changes: Changes, of_cluster: Changes
) -> None:
    desk, base = a_desk(), SERVICES[name]
    owner = {**OWNER, "kind": "RayService", "uid": UID}
    metadata = {**get_object(PLAIN, "metadata"), "uid": "c", "ownerReferences": [owner]}
    cluster = {**RAYCLUSTER, "metadata": metadata}
    changed = as_known(cluster, with_changes(cluster, of_cluster))
    desk.caches.rayclusters.put(
        {**changed, "metadata": {**get_object(changed, "metadata"), "ownerReferences": [owner]}},
        listed=True,
    )
    key = desk.caches.rayservices.put(as_known(base, with_changes(base, changes)), listed=True)
    assert not desk.caches.rayservices.unreadable
    asyncio.run(desk.rayservices.reconcile(key))
    assert "it can't be read" not in str(desk.told.notes)


def with_nest(spec: JsonObject, levels: int) -> bytes:
    """The JSON of a spec in which `NEST` stands for that many levels."""
    return encode(spec).replace(b'"NEST"', b'{"a":' * levels + b"1" + b"}" * levels)


@pytest.mark.parametrize("levels", [300, 1500])
@pytest.mark.parametrize("kind", ["RayCluster", "RayService"])
def test_what_is_nested_too_deeply_is_told_by_its_path_and_nothing_is_built_of_it(
    kind: str, levels: int
) -> None:
    desk = a_desk()
    if kind == "RayCluster":
        informer, reconciler, base = desk.caches.rayclusters, desk.rayclusters, PLAIN
        odd: JsonObject = {"autoscalerOptions": {"env": ["NEST"]}}
        place = "spec.autoscalerOptions.env[0].a.a"
    else:
        informer, reconciler, base = desk.caches.rayservices, desk.rayservices, SERVICES["text"]
        odd = {"serveService": {"spec": "NEST"}}
        place = "spec.serveService.spec.a.a"
    read = decode(with_nest({**base, "spec": {**get_object(base, "spec"), **odd}}, levels))
    key = informer.put(read, listed=True)
    asyncio.run(reconciler.reconcile(key))

    assert not desk.kube.creations
    (note,) = (n for _, n in desk.told.notes if n.action == "Validate")
    assert note.message.startswith(place)
    assert "at most 200 levels" in note.message
    _, _, _, body = desk.kube.patches[-1]
    assert place.encode() in encode(body)


REPORT: JsonObject = {
    "proxies": {"n1": {"status": "HEALTHY", "node_ip": "10.0.0.1", "actor_id": "x"}},
    "applications": {
        "fruit": {
            "name": "fruit",
            "status": "RUNNING",
            "message": "",
            "last_deployed_time_s": 1.5,
            "deployed_app_config": {"name": "fruit", "import_path": "fruit.app"},
            "deployments": {
                "Mango": {
                    "name": "Mango",
                    "status": "HEALTHY",
                    "message": "",
                    "replicas": [{"state": "RUNNING"}],
                    "deployment_config": {"num_replicas": 1},
                }
            },
        }
    },
    "http_options": {"port": 8000},
    "target_capacity": None,
}


@EXAMPLES
@given(changes=CHANGES)
def test_an_answer_of_ray_of_any_content_is_read(changes: Changes) -> None:
    parse_report(with_changes(REPORT, changes))


NODE: JsonObject = {
    "metadata": {"name": "n"},
    "spec": {"taints": [{"key": "a"}], "unschedulable": True},
    "status": {"conditions": [CONDITION]},
}
SLICE: JsonObject = {
    "metadata": {"name": "e", "labels": {labels.SERVICE_NAME: "s"}},
    "endpoints": [
        {
            "addresses": ["1.2.3.4"],
            "conditions": {"ready": True},
            "targetRef": {"uid": "x", "name": "p"},
        }
    ],
}
PROJECTIONS: Mapping[str, tuple[Callable[[JsonObject], object], JsonObject]] = {
    "pod": (pod.project, POD),
    "service": (service.project, SERVICE),
    "child": (child.project, CHILD),
    "node": (node.project, NODE),
    "endpointslice": (endpointslice.project, SLICE),
}


@EXAMPLES
@given(name=st.sampled_from(sorted(PROJECTIONS)), changes=CHANGES)
def test_an_object_of_any_content_is_projected(name: str, changes: Changes) -> None:
    project, base = PROJECTIONS[name]
    project(with_changes(base, changes))


@EXAMPLES
@given(st.one_of(VALUES, st.text()))
def test_a_runtime_environment_of_any_content_is_read_or_named(value: JsonValue) -> None:
    with contextlib.suppress(InvalidSpecError):
        encode(normalise_runtime_env(value, "spec.runtimeEnv"))
