"""Rules of a pod's contents, one at a time; the whole pods are in the golden files."""

from collections.abc import Mapping

import pytest

from ray_operator.controllers.manifests.cluster import Cluster
from ray_operator.controllers.manifests.metadata import Slot
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.pods import head_pod, worker_pod
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_items,
    get_object,
    get_objects,
    get_text,
    get_texts,
)
from support.builders import a_cluster, a_container, a_group, a_head, a_template, resources, seen

OPTIONS = BuildOptions()
SERVES = {"ray.io/originated-from-crd": "RayService"}


def head(cluster: Cluster, options: BuildOptions = OPTIONS) -> JsonObject:
    return head_pod(cluster, "h", Slot(), options)


def worker(cluster: Cluster, options: BuildOptions = OPTIONS) -> JsonObject:
    return worker_pod(cluster, cluster.workers[0], "w", Slot(), options)


def containers(pod: JsonObject) -> tuple[JsonObject, ...]:
    return get_objects(get_object(pod, "spec"), "containers")


def env(container: JsonObject) -> dict[str, str]:
    entries = get_objects(container, "env")
    names = [get_text(entry, "name") for entry in entries]
    assert len(names) == len(set(names)), f"twice: {names}"
    return {get_text(entry, "name"): get_text(entry, "value") for entry in entries}


def labels(pod: JsonObject) -> dict[str, str]:
    return get_texts(get_object(pod, "metadata"), "labels")


def told(pod: JsonObject) -> dict[str, str]:
    return get_texts(get_object(pod, "metadata"), "annotations")


def with_worker(container: Mapping[str, JsonValue], **changes: JsonValue) -> Cluster:
    return seen(a_cluster(groups=[{**a_group(template=a_template(container)), **changes}]))


def test_labels_that_are_selected_by_cannot_be_overridden() -> None:
    template: JsonObject = {
        **a_template(),
        "metadata": {
            "name": "mine",
            "finalizers": ["x"],
            "namespace": "elsewhere",
            "labels": {"ray.io/cluster": "other", "app.kubernetes.io/name": "mine", "team": "a"},
        },
    }
    group = a_group(template=template, labels={"team": "b", "ray.io/group": "other"})
    pod = worker(seen(a_cluster(groups=[group])))
    assert labels(pod)["ray.io/cluster"] == "demo"
    assert labels(pod)["ray.io/group"] == "small"
    assert labels(pod)["app.kubernetes.io/name"] == "mine"
    assert labels(pod)["team"] == "b"
    assert set(get_object(pod, "metadata")) == {"name", "namespace", "labels", "annotations"}
    assert get_object(pod, "metadata")["namespace"] == "ns1"


def test_group_labels_reach_ray_too() -> None:
    cluster = seen(a_cluster(groups=[a_group(labels={"zone": "b", "accel": "a100"})]))
    assert " --labels=accel=a100,zone=b " in str(get_items(containers(worker(cluster))[0], "args"))


def test_seed_001_fault_tolerance_as_it_was_written_in_early_releases() -> None:
    template = {
        **a_template(a_container(env=[{"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}])),
        "metadata": {"annotations": {"ray.io/ft-enabled": "true"}},
    }
    cluster = seen(
        a_cluster(
            head=a_head(template, rayStartParams={"redis-password": "password"}),
            groups=[a_group()],
        ),
    )
    assert told(head(cluster))["ray.io/ft-enabled"] == "true"
    assert told(head(cluster))["ray.io/external-storage-namespace"] == cluster.uid
    variables = env(containers(head(cluster))[0])
    assert variables["RAY_external_storage_namespace"] == cluster.uid
    assert variables["REDIS_PASSWORD"] == "password"  # noqa: S105  # seed 001's
    wait = env(containers(worker(cluster))[0])["RAY_gcs_rpc_server_reconnect_timeout_s"]
    assert wait == "600"


def test_ours_replace_the_users_in_place_and_defaults_do_not() -> None:
    own: list[JsonValue] = [
        {"name": "RAY_IP", "value": "mine"},
        {"name": "RAY_ADDRESS", "value": "mine"},
    ]
    entries = get_objects(containers(worker(with_worker(a_container(env=own))))[0], "env")
    assert [get_text(entry, "name") for entry in entries][:2] == ["RAY_IP", "RAY_ADDRESS"]
    assert [get_text(entry, "value") for entry in entries][:2] == ["demo-head-svc", "mine"]


def test_every_init_container_knows_the_head_and_ours_comes_last() -> None:
    template = a_template(initContainers=[{"name": "mine", "image": "busybox:1.28"}])
    pod = worker(seen(a_cluster(groups=[a_group(template=template)])))
    found = get_objects(get_object(pod, "spec"), "initContainers")
    assert [get_text(c, "name") for c in found] == ["mine", "wait-gcs-ready"]
    for container in found:
        assert env(container)["FQ_RAY_IP"] == "demo-head-svc.ns1.svc.cluster.local"
    off = BuildOptions(inject_init_container=False)
    pod = worker(seen(a_cluster(groups=[a_group(template=template)])), off)
    assert len(get_objects(get_object(pod, "spec"), "initContainers")) == 1


def test_without_a_memory_limit_the_init_container_has_none() -> None:
    pod = worker(with_worker(a_container()))
    wait = get_objects(get_object(pod, "spec"), "initContainers")[0]
    assert get_object(wait, "resources", "limits") == {"cpu": "200m"}
    pod = worker(with_worker(a_container(resources=resources(memory="8Gi"))))
    wait = get_objects(get_object(pod, "spec"), "initContainers")[0]
    assert get_object(wait, "resources", "limits")["memory"] == "8Gi"


SHARED_MEMORY = {
    "the limit is the size": ({"resources": resources(memory="4Gi")}, {}, {"sizeLimit": "4Gi"}),
    "else the request is": (
        {"resources": {"requests": {"memory": "2Gi"}}},
        {},
        {"sizeLimit": "2Gi"},
    ),
    "else there is no limit": ({}, {}, {}),
    "the user mounts it": ({"volumeMounts": [{"name": "x", "mountPath": "/dev/shm"}]}, {}, None),  # noqa: S108  # the kernel's
    "Ray is told to use files": ({}, {"plasma-directory": "/tmp"}, None),  # noqa: S108  # any path will do
}


@pytest.mark.parametrize(
    ("container", "params", "want"), SHARED_MEMORY.values(), ids=SHARED_MEMORY.keys()
)
def test_shared_memory(
    container: dict[str, JsonValue], params: JsonObject, want: JsonObject | None
) -> None:
    pod = worker(with_worker({**a_container(), **container}, rayStartParams=params))
    volumes = get_objects(get_object(pod, "spec"), "volumes")
    found = next((v for v in volumes if get_text(v, "name") == "shared-mem"), None)
    assert found == (
        None if want is None else {"name": "shared-mem", "emptyDir": {"medium": "Memory", **want}}
    )


COMMANDS: dict[str, tuple[JsonObject, str]] = {
    "nothing of the user's": ({}, "ulimit -n"),
    "the user's comes first": ({"command": ["echo"], "args": ["hi"]}, " echo  hi  && ulimit"),
}


@pytest.mark.parametrize(("container", "want"), COMMANDS.values(), ids=COMMANDS.keys())
def test_the_command(container: JsonObject, want: str) -> None:
    ray = containers(worker(with_worker({**a_container(), **container})))[0]
    assert get_items(ray, "command") == ["/bin/bash", "-c", "--"]
    assert str(get_items(ray, "args")[0]).startswith(want)


KEPT = {
    "the cluster says so": ({"ray.io/overwrite-container-cmd": "TRUE"}, {}, ["sleep", "1"]),
    "the template says so": ({}, {"ray.io/overwrite-container-cmd": "true"}, ["sleep", "1"]),
    "it starts Ray itself": ({}, {}, ["bash", "-c", "ray start --block"]),
}


@pytest.mark.parametrize(("cluster", "template", "command"), KEPT.values(), ids=KEPT.keys())
def test_the_users_own_command_is_kept(
    cluster: dict[str, str], template: JsonObject, command: list[JsonValue]
) -> None:
    own = {
        **a_template(a_container(command=command)),
        "metadata": {"annotations": template},
    }
    pod = worker(seen(a_cluster(groups=[a_group(template=own)], annotations=cluster)))
    ray = containers(pod)[0]
    assert get_items(ray, "command") == command
    assert "args" not in ray
    assert env(ray)["KUBERAY_GEN_RAY_START_CMD"].startswith("ray start ")
    marked = told(pod).get("ray.io/overwrite-container-cmd")
    assert marked == (None if not cluster and not template else "true")


PROBES = {
    "old Ray is asked by wget": ("2.52.0", "rayproject/ray:2.52.0", "exec"),
    "new Ray answers over HTTP": ("2.53.0", "rayproject/ray:2.53.0-py312", "httpGet"),
    "an image older than its version is asked by wget": (
        "2.100.0",
        "rayproject/ray:2.6.3",
        "exec",
    ),
    "an image of no version is believed": ("2.60.0", "registry:5000/mine", "httpGet"),
    "no version at all counts as old": ("", "rayproject/ray:latest", "exec"),
}


@pytest.mark.parametrize(("version", "image", "want"), PROBES.values(), ids=PROBES.keys())
def test_probes(version: str, image: str, want: str) -> None:
    group = a_group(template=a_template(a_container(image=image)))
    cluster = seen(a_cluster(groups=[group], rayVersion=version))
    for probe in ("livenessProbe", "readinessProbe"):
        assert want in get_object(containers(worker(cluster))[0], probe)


def test_a_users_own_probe_stays_and_the_other_is_ours() -> None:
    own: JsonObject = {"tcpSocket": {"port": 1}}
    ray = containers(worker(with_worker(a_container(readinessProbe=own))))[0]
    assert get_object(ray, "readinessProbe") == own
    assert "exec" in get_object(ray, "livenessProbe")
    off = BuildOptions(inject_probes=False)
    ray = containers(worker(with_worker(a_container(readinessProbe=own)), off))[0]
    assert "livenessProbe" not in ray


def test_a_serving_worker_is_ready_without_a_proxy_or_with_a_healthy_one() -> None:
    cluster = seen(a_cluster(groups=[a_group()], labels=SERVES, rayVersion="2.60.0"))
    probe = get_object(containers(worker(cluster))[0], "readinessProbe")
    command = str(get_items(get_object(probe, "exec"), "command")[2])
    assert probe["failureThreshold"] == 1
    assert "/dev/tcp/localhost/8000" in command
    assert "http://localhost:8000/-/healthz | grep success" in command
    head_probe = get_object(containers(head(cluster))[0], "readinessProbe")
    assert "8000" not in str(head_probe)


def test_a_users_own_end_is_kept() -> None:
    hook: JsonObject = {"preStop": {"exec": {"command": ["ray", "stop"]}}}
    template = a_template(a_container(lifecycle=hook), terminationGracePeriodSeconds=7)
    cluster = seen(a_cluster(groups=[a_group(template=template)], labels=SERVES))
    spec = get_object(worker(cluster), "spec")
    assert get_object(containers(worker(cluster))[0], "lifecycle") == hook
    assert spec["terminationGracePeriodSeconds"] == 7


def test_a_plain_cluster_ends_as_kubernetes_does_unless_it_asks() -> None:
    plain = seen(a_cluster(groups=[a_group()]))
    assert "terminationGracePeriodSeconds" not in get_object(worker(plain), "spec")
    asked = seen(
        a_cluster(groups=[a_group()], annotations={"ray.io/graceful-termination": "true"}),
    )
    assert get_object(worker(asked), "spec")["terminationGracePeriodSeconds"] == 60
    assert "lifecycle" not in containers(worker(asked))[0]


RESTARTS = {
    "no autoscaler: the template's": ({}, "2.60.0", None),
    "v2 is explicit": ({"version": "v2"}, "2.9.0", "Never"),
    "v1 is explicit": ({"version": "v1"}, "2.60.0", None),
    "Ray decides for v2": ({"idleTimeoutSeconds": 1}, "2.47.0", "Never"),
    "Ray decides for v1": ({"idleTimeoutSeconds": 1}, "2.46.0", None),
}


@pytest.mark.parametrize(("options", "version", "want"), RESTARTS.values(), ids=RESTARTS.keys())
def test_restart_policy(options: JsonObject, version: str, want: str | None) -> None:
    cluster = seen(
        a_cluster(
            groups=[a_group()],
            rayVersion=version,
            enableInTreeAutoscaling=bool(options),
            autoscalerOptions=options,
        ),
    )
    for pod in (head(cluster), worker(cluster)):
        assert get_object(pod, "spec").get("restartPolicy") == want


def test_the_autoscaler_takes_what_the_user_gives_it() -> None:
    cluster = seen(
        a_cluster(
            enableInTreeAutoscaling=True,
            autoscalerOptions={
                "image": "mine",
                "imagePullPolicy": "Always",
                "resources": {"limits": {"cpu": "1"}},
                "env": [{"name": "X", "value": "1"}],
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                "command": ["sh"],
                "args": ["-c", "x"],
                "securityContext": {"runAsUser": 5},
            },
        ),
    )
    sidecar = containers(head(cluster))[1]
    assert get_text(sidecar, "image") == "mine"
    assert get_items(sidecar, "command") == ["sh"]
    assert get_object(sidecar, "resources") == {"limits": {"cpu": "1"}}
    assert get_object(sidecar, "securityContext") == {"runAsUser": 5}
    assert env(sidecar)["X"] == "1"
    paths = [get_text(mount, "mountPath") for mount in get_objects(sidecar, "volumeMounts")]
    assert paths == ["/v", "/tmp/ray"]  # noqa: S108  # Ray's own path


def test_a_strict_namespace_admits_what_we_add() -> None:
    strict: JsonObject = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
    }
    container = a_container(securityContext=strict)
    cluster = seen(
        a_cluster(
            head=a_head(a_template(container)),
            groups=[a_group(template=a_template(container))],
            enableInTreeAutoscaling=True,
        ),
    )
    sidecar = get_object(containers(head(cluster))[1], "securityContext")
    assert sidecar == {**strict, "capabilities": {"drop": ["ALL"]}}
    wait = get_objects(get_object(worker(cluster), "spec"), "initContainers")[0]
    assert get_object(wait, "securityContext") == strict


def test_an_installation_adds_its_own() -> None:
    options = BuildOptions(
        head_sidecars=({"name": "side", "image": "s"},),
        default_env=({"name": "A", "value": "1"}, {"name": "B", "value": "1"}),
        default_pod_labels={"team": "x", "ray.io/cluster": "other"},
        default_pod_annotations={"note": "x"},
        login_shell=True,
    )
    own: list[JsonValue] = [{"name": "B", "value": "mine"}]
    pod = head(seen(a_cluster(head=a_head(a_template(a_container(env=own))))), options)
    assert get_text(containers(pod)[-1], "name") == "side"
    assert env(containers(pod)[0])["A"] == "1"
    assert env(containers(pod)[0])["B"] == "mine"
    assert labels(pod)["team"] == "x"
    assert labels(pod)["ray.io/cluster"] == "demo"
    assert told(pod)["note"] == "x"
    assert get_items(containers(pod)[0], "command")[1] == "-cl"


def test_what_is_handed_in_is_not_changed() -> None:
    document = a_cluster(groups=[a_group()], enableInTreeAutoscaling=True)
    before = repr(document)
    cluster = seen(document)
    head(cluster)
    worker(cluster)
    assert repr(document) == before
