"""Objects that nobody expected, on a real API server.

Each is told of on itself, nothing is lost, and the others are served meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pytest

from ray_operator.api import conditions as c
from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    encode,
    get_object,
    get_text,
    get_texts,
)
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import SERVICES, Resource
from support.builders import a_cluster, a_container, a_group, a_head, a_template
from support.control_plane import ControlPlane
from support.service_scene import ServiceScene, Status
from support.witness import Witness, name_of

ALPHA_CLUSTERS = Resource("ray.io", "v1alpha1", "rayclusters", "RayCluster")


async def until_ready(witness: Witness, name: str) -> None:
    await witness.until(f"{name} is ready", lambda: witness.is_true(name, "Ready"))


def warnings_about(witness: Witness, name: str) -> list[str]:
    return [
        get_text(event, "note")
        for reason in ("InvalidRayClusterSpec", "InvalidRayClusterMetadata")
        for event in witness.events(reason)
        if get_text(get_object(event, "regarding"), "name") == name
    ]


def with_nest(document: JsonObject, levels: int) -> str:
    """JSON in which `NEST` stands for so many levels: no writer of ours goes so deep."""
    nest = '{"a":' * levels + "1" + "}" * levels
    return encode(document).decode().replace('"NEST"', nest)


@dataclass(frozen=True)
class Odd:
    """A RayCluster that the schema lets through; what is said of it names a field."""

    cluster: dict[str, JsonValue]
    field: str
    expected: str
    levels: int = 0


def head_with(**params: JsonValue) -> JsonObject:
    return a_head(rayStartParams=params)


ODD: Mapping[str, Odd] = {
    "deep": Odd(
        a_cluster("deep", head=head_with(deep="NEST")),
        "spec.headGroupSpec.rayStartParams.deep.a.a",
        "at most 200 levels",
        levels=300,
    ),
    "deeper": Odd(  # as deeply as no JSON parser of ours reads
        a_cluster("deeper", head=head_with(deep="NEST")),
        "spec.headGroupSpec.rayStartParams.deep.a.a",
        "at most 200 levels",
        levels=2_000,
    ),
    "x" * 60: Odd(
        a_cluster("x" * 60),
        "metadata.name",
        "expected at most",
    ),
    "x" * 253: Odd(
        a_cluster("x" * 253),
        "metadata.name",
        "expected at most",
    ),
    "1-numeric": Odd(
        a_cluster("1-numeric"),
        "metadata.name",
        "expected",
    ),
    "no-container": Odd(
        a_cluster("no-container", groups=[a_group(template={"spec": {"containers": []}})]),
        "spec.workerGroupSpecs[0].template.spec.containers",
        "expected",
    ),
}


@pytest.mark.usefixtures("operator", "kubelet")
async def test_each_odd_cluster_is_told_of_by_its_field_and_the_others_come_up(
    control_plane: ControlPlane, kube: Kube, namespace: str, witness: Witness
) -> None:
    for odd in ODD.values():
        metadata = {**get_object(odd.cluster, "metadata"), "namespace": namespace}
        text = with_nest({**odd.cluster, "metadata": metadata}, odd.levels)
        control_plane.kubectl("create", "-f", "-", stdin=text)
    await kube.create(RAYCLUSTERS, a_cluster("good", namespace=namespace, groups=[a_group()]))
    await until_ready(witness, "good")
    for name, odd in ODD.items():
        said = await witness.until(f"{name[:20]} is told", partial(told_of, witness, name))
        assert odd.field in said
        assert odd.expected in said
        (note,) = await witness.until("its event", partial(warnings_about, witness, name))
        assert odd.field in note
    assert {name_of(pod).split("-")[0] for pod in witness.pods()} == {"good"}
    assert not witness.events("InternalError")


def told_of(witness: Witness, name: str) -> str:
    condition = witness.condition(name, "SpecValid")
    return get_text(condition, "message") if get_text(condition, "status") == "False" else ""


@pytest.mark.usefixtures("operator", "kubelet")
async def test_a_cluster_at_work_keeps_its_pods_while_its_spec_is_odd_and_follows_the_correction(
    control_plane: ControlPlane, kube: Kube, namespace: str, witness: Witness
) -> None:
    await kube.create(RAYCLUSTERS, a_cluster(namespace=namespace, groups=[a_group()]))
    await until_ready(witness, "demo")
    before = {name_of(pod) for pod in witness.pods()}
    odd: JsonObject = {"headGroupSpec": {"rayStartParams": {"deep": "NEST"}}}
    wider: JsonObject = {"workerGroupSpecs": [a_group(replicas=2)]}
    key = Key(namespace, "demo")
    patch = with_nest({"spec": {**odd, **wider}}, 300)
    control_plane.kubectl(
        "patch", "raycluster", "demo", "-n", namespace, "--type=merge", "-p", patch
    )
    await witness.until("it is told", lambda: "200 levels" in told_of(witness, "demo"))
    assert {name_of(pod) for pod in witness.pods()} == before
    cure: JsonObject = {"headGroupSpec": {"rayStartParams": {"deep": None}}}
    await kube.patch(RAYCLUSTERS, key, {"spec": cure})
    await witness.until("it grows", lambda: len(witness.pods("small")) == 2)
    await until_ready(witness, "demo")
    assert before < {name_of(pod) for pod in witness.pods()}


@pytest.mark.usefixtures("operator", "kubelet")
async def test_extremes_that_are_allowed_come_up(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    many = {f"example.org/label-{n}": f"value-{n}" for n in range(10_000)}
    large = {"example.org/large": "ä" * 120_000}  # of 262,144 bytes that all may have together
    text = "\N{PILE OF POO} NaN \u202e" * 20
    params: JsonObject = {
        "num-cpus": 2**53,
        "memory": 1e300,
        "temp-dir": text,
        "block": None,
        "": "",
    }
    clusters = {
        "labels": a_cluster("labels", labels=many),
        "large": a_cluster("large", annotations=large),
        "x" * 52: a_cluster("x" * 52),
        "params": a_cluster("params", head=a_head(rayStartParams=params), groups=[a_group()]),
    }
    for cluster in clusters.values():
        metadata = {**get_object(cluster, "metadata"), "namespace": namespace}
        await kube.create(RAYCLUSTERS, {**cluster, "metadata": metadata})
    for name in clusters:
        await until_ready(witness, name)


@pytest.mark.usefixtures("operator", "kubelet")
async def test_clusters_deleted_while_they_are_made_harm_nobody(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    for number in range(15):
        name = f"short-{number}"
        await kube.create(RAYCLUSTERS, a_cluster(name, namespace=namespace, groups=[a_group()]))
        if number % 3:
            await witness.until("pods", partial(pods_of, witness, name))
        await kube.delete(RAYCLUSTERS, Key(namespace, name))
    await kube.create(RAYCLUSTERS, a_cluster("good", namespace=namespace))
    await until_ready(witness, "good")
    await witness.until("all others are gone", lambda: len(witness.pods(terminating=True)) == 1)
    assert not witness.events("InternalError")


def pods_of(witness: Witness, cluster: str) -> list[JsonObject]:
    return [
        pod
        for pod in witness.pods(terminating=True)
        if get_texts(get_object(pod, "metadata"), "labels").get("ray.io/cluster") == cluster
    ]


ODD_STATUS: JsonObject = {
    "state": "no such state",
    "reason": "x" * 50_000,
    "desiredWorkerReplicas": 2**31 - 1,
    "lastUpdateTime": "0001-01-01T00:00:00Z",
    "stateTransitionTimes": {"ready": "9999-12-31T23:59:59Z", "odd": "0001-01-01T00:00:00Z"},
    "endpoints": {"": "", "x": "y" * 10_000},
    "head": {"podIP": "no address"},
    "observedGeneration": 2**60,
    "conditions": [
        {
            "type": "Mine",
            "status": "True",
            "reason": "Mine",
            "message": "x",
            "lastTransitionTime": "9999-12-31T23:59:59Z",
        }
    ],
}


@pytest.mark.usefixtures("operator", "kubelet")
async def test_a_status_that_somebody_else_wrote_is_put_right(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    await kube.create(RAYCLUSTERS, a_cluster(namespace=namespace))
    await until_ready(witness, "demo")
    key = Key(namespace, "demo")
    await kube.patch(RAYCLUSTERS, key, {"status": ODD_STATUS}, subresource="status")
    await kube.patch(RAYCLUSTERS, key, {"metadata": {"annotations": {"a": "b"}}})

    def is_right() -> bool:
        status = witness.status("demo")
        return get_text(status, "state") == "ready" and status.get("observedGeneration") == 1

    await witness.until("it is right again", is_right)
    await until_ready(witness, "demo")
    assert witness.is_true("demo", "Mine")


@pytest.mark.usefixtures("operator", "kubelet")
async def test_a_wrong_type_in_a_template_of_the_old_version_is_told_and_mended(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    """v1alpha1's templates are open."""
    template = a_template(a_container("ray-head", env=[{"name": "A", "value": {"not": "text"}}]))
    document = a_cluster(namespace=namespace, head=a_head(template))
    await kube.create(ALPHA_CLUSTERS, {**document, "apiVersion": ALPHA_CLUSTERS.api_version})
    await kube.create(RAYCLUSTERS, a_cluster("good", namespace=namespace))
    await until_ready(witness, "good")

    def trouble() -> str:
        condition = witness.condition("demo", "Ready")
        return get_text(condition, "message")

    await witness.until("it is told", lambda: "env" in trouble())
    cured = a_template(a_container("ray-head", env=[{"name": "A", "value": "text"}]))
    await kube.patch(
        ALPHA_CLUSTERS, Key(namespace, "demo"), {"spec": {"headGroupSpec": {"template": cured}}}
    )
    await until_ready(witness, "demo")


@pytest.mark.usefixtures("operator", "kubelet")
async def test_services_out_of_sight_are_found_by_name(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    foreign: JsonObject = {
        "metadata": {"name": "second-head-svc", "namespace": namespace},
        "spec": {"selector": {"app": "mine"}, "ports": [{"port": 80}]},
    }
    await kube.create(SERVICES, foreign)
    await kube.create(RAYCLUSTERS, a_cluster(namespace=namespace))
    await kube.create(RAYCLUSTERS, a_cluster("second", namespace=namespace))
    await until_ready(witness, "demo")
    label = "app.kubernetes.io/created-by"
    bare: JsonObject = {"metadata": {"labels": {label: None}}, "spec": {"selector": {"x": "y"}}}
    await kube.patch(SERVICES, Key(namespace, "demo-head-svc"), bare)

    def is_whole() -> bool:
        service = witness.get(SERVICES, "demo-head-svc") or {}
        has_label = label in get_texts(get_object(service, "metadata"), "labels")
        return has_label and "x" not in get_texts(get_object(service, "spec"), "selector")

    await witness.until("the label is back", is_whole)
    await witness.until(
        "the other is told", lambda: "second-head-svc" in blocked_by(witness, "second")
    )
    assert len(pods_of(witness, "second")) == 1
    kept = witness.get(SERVICES, "second-head-svc") or {}
    assert get_texts(get_object(kept, "spec"), "selector") == {"app": "mine"}


def blocked_by(witness: Witness, name: str) -> str:
    return get_text(witness.condition(name, "Ready"), "message")


# -- RayServices


def running(status: Status) -> bool:
    return status.is_running and status.endpoints == 2


MEGABYTE = "[" + "1, " * 330_000 + "1]"
ODD_CONFIGS: Mapping[str, tuple[str, str]] = {
    "too many values": (f"applications: {MEGABYTE}", "at most 50000 values"),
    "too deep": ("applications: " + "[" * 5_000 + "]" * 5_000, "100 levels"),
    "a bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n"
            for old, new in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "50000 values",
    ),
    "no number": ("applications: [{name: a, num: .nan}]", "expected what JSON can hold"),
    "a set": ("applications: !!set {a, b}", "expected"),
    "no object": ("- a\n- b", "expected an object with `applications`"),
    "a number": ("applications: 9999999999999999999999999", "expected"),
    "control characters": ("applications: \u0007", "expected YAML"),
}


async def test_odd_configs_are_told_one_after_the_other_while_the_service_serves_on(
    scene: ServiceScene,
) -> None:
    async with scene.operator():
        await scene.apply()
        before = await scene.until(running)
        good = get_text(get_object(await scene.service(), "spec"), "serveConfigV2")
        for text, said in ODD_CONFIGS.values():
            await scene.edit(serveConfigV2=text)

            def is_told(status: Status, said: str = said) -> bool:
                message = status.message(c.SPEC_VALID)
                return message.startswith("spec.serveConfigV2") and said in message

            told = await scene.until(is_told)
            assert (told.active, told.is_running) == (before.active, True)
        notes = [note for reason, note in await scene.warnings() if "Invalid" in reason]
        assert all("spec.serveConfigV2" in note for note in notes)
        await scene.apply("meanwhile")
        await scene.until(running, "meanwhile")
        await scene.edit(serveConfigV2=good.replace("price: 3", "price: 4"))
        await scene.until(lambda _: scene.price(before.active) == 4)
        after = await scene.until(running)
        assert after.active == before.active


async def test_a_large_config_and_an_odd_status_are_no_trouble(scene: ServiceScene) -> None:
    async with scene.operator():
        await scene.apply()
        before = await scene.until(running)
        text = get_text(get_object(await scene.service(), "spec"), "serveConfigV2")
        comment = "# " + "x" * 1_000_000 + "\n"
        await scene.edit(serveConfigV2=comment + text.replace("price: 3", "price: 5"))
        await scene.until(lambda _: scene.price(before.active) == 5)
        await scene.until(running)
        key = Key(scene.namespace, "rayservice-sample")
        odd: JsonObject = {
            "serviceStatus": "WaitForServeDeploymentReady",
            "numServeEndpoints": 2**31 - 1,
            "observedGeneration": 2**60,
            "lastUpdateTime": "0001-01-01T00:00:00Z",
        }
        await scene.kube.patch(RAYSERVICES, key, {"status": odd}, subresource="status")
        after = await scene.until(running)
        assert after.active == before.active
        assert not [r for r, _ in await scene.warnings() if r == "InternalError"]
