"""A RayService that loses its head, whose Ray misbehaves, which rests: on a real API server."""

import asyncio
from dataclasses import replace

from ray_operator.api import conditions as c
from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.operator.documents import JsonObject, get_object, get_text, get_texts
from ray_operator.operator.keys import Key
from ray_operator.operator.resources import PODS, SERVICES
from support.dashboard import Mode
from support.operator_in_process import difference, until_quiet, writes
from support.service_scene import ServiceScene, Status

SERVE = "rayservice-sample-serve-svc"


def running(status: Status) -> bool:
    return status.is_running and status.endpoints == 2


async def head_of(scene: ServiceScene, cluster: str) -> str:
    for pod in await scene.all(PODS):
        found = get_texts(get_object(pod, "metadata"), "labels")
        if found["ray.io/cluster"] == cluster and found["ray.io/node-type"] == "head":
            return get_text(get_object(pod, "metadata"), "name")
    return ""


async def test_a_lost_head_gets_its_applications_again(scene: ServiceScene) -> None:
    async with scene.operator():
        await scene.apply()
        before = await scene.until(running)
        head = await head_of(scene, before.active)
        await scene.kube.delete(PODS, Key(scene.namespace, head))
        await scene.until(lambda _: len(scene.rays.received(before.active)) == 2)
        after = await scene.until(
            lambda s: running(s) and s.reason(c.SERVE_CONFIG_APPLIED) == c.APPLIED
        )
        assert after.active == before.active


async def test_a_refused_config_is_told_in_rays_words_and_the_old_one_serves_on(
    scene: ServiceScene,
) -> None:
    async with scene.operator():
        await scene.apply()
        await scene.until(running)
        scene.rays.rejects = (
            "1 validation error for ServeDeploySchema\napplications.0.deployments.0\n"
            "  Value error, Manually setting num_replicas is not allowed when "
            "autoscaling_config is provided."
        )
        await scene.edit_config("price: 3", "price: 4")
        status = await scene.until(lambda s: s.reason(c.SERVE_CONFIG_APPLIED) == c.REJECTED)
        assert status.message(c.SERVE_CONFIG_APPLIED).startswith(
            "spec.serveConfigV2.applications[0].deployments[0]: Ray refuses it: "
        )
        assert status.reason(c.READY) == c.NONZERO_SERVE_ENDPOINTS
        scene.rays.rejects = ""
        await scene.edit_config("price: 4", "price: 5")
        await scene.until(lambda s: s.reason(c.SERVE_CONFIG_APPLIED) == c.APPLIED)
        assert scene.price(status.active) == 5


async def test_a_dashboard_that_hangs_takes_nobody_out_of_the_traffic(
    scene: ServiceScene,
) -> None:
    async with scene.operator():
        await scene.apply()
        before = await scene.until(running)
        head = await head_of(scene, before.active)
        scene.rays.answer(head, Mode.BROKEN)
        status = await scene.until(lambda s: s.reason(c.DASHBOARD_REACHABLE) == c.SERVER_ERROR)
        assert status.active == before.active
        worker = [p for p in await scene.all(PODS) if "-worker-" in str(get_object(p, "metadata"))]
        (found,) = (get_texts(get_object(p, "metadata"), "labels") for p in worker)
        assert found["ray.io/serve"] == "true"
        scene.rays.answer(head, Mode.NORMAL)
        await scene.until(lambda s: running(s) and s.reason(c.DASHBOARD_REACHABLE) == c.REACHABLE)


async def test_a_suspended_service_has_nothing_and_comes_back(scene: ServiceScene) -> None:
    async with scene.operator():
        await scene.apply()
        await scene.until(running)
        await scene.edit(suspend=True)
        status = await scene.until(lambda s: s.reason(c.SUSPENDED) == c.SUSPEND_COMPLETE)
        assert (status.active, status.endpoints) == ("", 0)
        assert await scene.clusters() == ()
        names = [get_text(get_object(d, "metadata"), "name") for d in await scene.all(SERVICES)]
        assert SERVE not in names
        await scene.edit(suspend=False)
        await scene.until(running)


async def test_a_service_of_that_name_that_is_not_ours_is_left_alone(scene: ServiceScene) -> None:
    foreign: JsonObject = {
        "metadata": {
            "name": "rayservice-sample-head",
            "namespace": scene.namespace,
        },
        "spec": {"selector": {"app": "mine"}, "ports": [{"port": 80}]},
    }
    await scene.kube.create(SERVICES, foreign)
    async with scene.operator():
        await scene.apply()
        name = "rayservice-sample-head"
        await scene.until(lambda s: running(s) and name in s.message(c.UPGRADE_IN_PROGRESS))
    kept = await scene.kube.get(SERVICES, Key(scene.namespace, "rayservice-sample-head"))
    assert get_texts(get_object(kept, "spec"), "selector") == {"app": "mine"}


async def test_a_restarted_operator_writes_nothing_to_a_service_at_rest(
    scene: ServiceScene,
) -> None:
    async with scene.operator():
        await scene.apply()
        await scene.until(lambda s: running(s) and s.reason(c.SERVE_CONFIG_APPLIED) == c.APPLIED)
        await until_quiet()
    before, sent = writes(), len(scene.rays.received("rayservice-sample"))
    async with scene.operator():
        await asyncio.sleep(8)  # two looks at Ray and a few passes
        assert difference(before, writes()) == {}
        assert len(scene.rays.received("rayservice-sample")) == sent


async def test_a_cluster_that_somebody_deletes_is_replaced(scene: ServiceScene) -> None:
    async with scene.operator():
        await scene.apply()
        before = await scene.until(running)
        await scene.kube.delete(RAYCLUSTERS, Key(scene.namespace, before.active))
        after = await scene.until(lambda s: running(s) and s.active != before.active)
        assert await scene.clusters() == (after.active,)
        await scene.until_selected(after.active, SERVE)


async def test_a_template_that_the_api_server_refuses_is_told_and_mended(
    scene: ServiceScene,
) -> None:
    """Templates of v1alpha1 are open: a wrong type gets in, and is refused in a RayCluster."""
    old = replace(RAYSERVICES, version="v1alpha1")
    broken: JsonObject = {"name": "ray-head", "image": "x", "ports": [{"containerPort": "many"}]}
    document: JsonObject = {
        "apiVersion": old.api_version,
        "kind": old.kind,
        "metadata": {"name": "rayservice-sample", "namespace": scene.namespace},
        "spec": {
            "serveConfigV2": "applications: [{name: a, import_path: 'm:app'}]",
            "rayClusterConfig": {
                "headGroupSpec": {"template": {"spec": {"containers": [broken]}}},
            },
        },
    }
    await scene.kube.create(old, document)
    async with scene.operator():
        status = await scene.until(
            lambda s: (
                "create RayCluster" in s.message(c.UPGRADE_IN_PROGRESS)
                or s.reason(c.SPEC_VALID) == c.INVALID_SPEC
            )
        )
        told = status.message(c.UPGRADE_IN_PROGRESS) + status.message(c.SPEC_VALID)
        assert "containerPort" in told
        mended: JsonObject = {"spec": {"containers": [{"name": "ray-head", "image": "x"}]}}
        patch: JsonObject = {"spec": {"rayClusterConfig": {"headGroupSpec": {"template": mended}}}}
        await scene.kube.patch(old, Key(scene.namespace, "rayservice-sample"), patch)
        await scene.until(lambda s: s.is_running)
