"""A RayService from its creation to its end, on a real API server."""

import asyncio
from collections.abc import Callable

import pytest

from ray_operator.api import conditions as c
from ray_operator.controllers.kinds import RAYSERVICES
from ray_operator.operator.documents import get_object, get_objects, get_texts
from ray_operator.operator.keys import Key
from ray_operator.operator.resources import PODS
from support.dashboard import Mode
from support.kubelet import Fate
from support.operator_in_process import until_quiet
from support.service_scene import ServiceScene, Status

SERVE = "rayservice-sample-serve-svc"
HEAD = "rayservice-sample-head-svc"


def running(status: Status) -> bool:
    return status.is_running


async def test_the_sample_comes_up_and_rests(scene: ServiceScene) -> None:
    async with scene.operator():
        await scene.apply()
        status = await scene.until(lambda s: s.is_running and s.endpoints == 2)
        await scene.until_selected(status.active, SERVE, HEAD)
        await scene.until(lambda s: s.reason(c.SERVE_CONFIG_APPLIED) == c.APPLIED)
        pods = await scene.all(PODS)
        assert {get_texts(get_object(p, "metadata"), "labels")["ray.io/serve"] for p in pods} == {
            "true"
        }
        await until_quiet()


async def test_a_price_is_changed_in_place(scene: ServiceScene) -> None:
    async with scene.operator():
        await scene.apply()
        before = await scene.until(running)
        await scene.edit_config("price: 3", "price: 4")
        await scene.until(lambda _: scene.price(before.active) == 4)
        after = await scene.until(
            lambda s: s.is_running and s.reason(c.SERVE_CONFIG_APPLIED) == c.APPLIED
        )
        assert after.active == before.active
        assert await scene.clusters() == (before.active,)


async def test_a_new_ray_version_makes_a_new_cluster_that_takes_over(scene: ServiceScene) -> None:
    async with scene.operator():
        await scene.apply(rayClusterDeletionDelaySeconds=5)
        before = await scene.until(running)
        await scene.edit(rayClusterConfig={"rayVersion": "2.100.0"})
        await scene.until(lambda s: bool(s.pending))
        after = await scene.until(lambda s: s.is_running and s.active != before.active)
        await scene.until_selected(after.active, SERVE, HEAD)
        await scene.until_clusters(1)
        assert await scene.clusters() == (after.active,)


async def test_a_deleted_service_leaves_nothing_behind(scene: ServiceScene) -> None:
    async with scene.operator():
        await scene.apply()
        await scene.until(running)
        await scene.kube.delete(RAYSERVICES, Key(scene.namespace, "rayservice-sample"))
        await scene.until_clusters(0)


# --- bad input ------------------------------------------------------------------------------------
async def test_a_config_that_is_no_yaml_is_told_and_mended(scene: ServiceScene) -> None:
    async with scene.operator():
        await scene.apply(serveConfigV2="applications: [\n")
        status = await scene.until(lambda s: s.reason(c.SPEC_VALID) == c.INVALID_SPEC)
        assert status.message(c.SPEC_VALID).startswith("spec.serveConfigV2")
        assert status.reason(c.READY) == c.VALIDATION_FAILED
        await expect_warning(scene, "InvalidRayServiceSpec", "spec.serveConfigV2")
        await scene.edit(serveConfigV2="applications: [{name: a, import_path: 'm:app'}]")
        await scene.until(running)


async def test_an_application_that_cannot_be_imported_is_told_and_mended(
    scene: ServiceScene,
) -> None:
    scene.rays.broken["nowhere.app"] = (
        "Deploying app 'math_app' failed with exception:\nTraceback (most recent call last):\n"
        "ModuleNotFoundError: No module named 'nowhere'"
    )
    async with scene.operator():
        await scene.apply()
        before = await scene.until(running)
        await scene.edit_config("conditional_dag.serve_dag", "nowhere.app")
        status = await scene.until(lambda s: s.reason(c.SERVE_CONFIG_APPLIED) == c.FAILED_REASON)
        said = (
            "spec.serveConfigV2.applications[1].import_path: application math_app: DEPLOY_FAILED: "
            "ModuleNotFoundError: No module named 'nowhere'"
        )
        assert status.message(c.SERVE_CONFIG_APPLIED) == said
        await expect_warning(scene, "FailedToUpdateServeApplications", said)
        await scene.edit_config("nowhere.app", "conditional_dag.serve_dag")
        status = await scene.until(lambda s: s.reason(c.SERVE_CONFIG_APPLIED) == c.APPLIED)
        assert status.active == before.active


async def test_an_image_that_does_not_exist_is_told_and_mended(scene: ServiceScene) -> None:
    fate = Fate.IMAGE_MISSING
    scene.kubelet.decide = lambda pod: fate if "-head-" in pod else Fate.RUNS
    async with scene.operator():
        await scene.apply()
        await scene.set_head_image("nowhere/ray:1")
        place = "spec.rayClusterConfig.headGroupSpec.template.spec.containers[0].image"
        told = f'{place} "nowhere/ray:1": ImagePullBackOff'
        status = await scene.until(lambda s: told in s.message(c.UPGRADE_IN_PROGRESS))
        await expect_warning(scene, "PodsFailing", told)
        fate = Fate.RUNS
        await scene.set_head_image("rayproject/ray:2.6.3")
        mended = await scene.until(running)
        assert mended.active != status.pending
        await scene.until_clusters(1)


async def test_a_broken_upgrade_leaves_the_service_running(scene: ServiceScene) -> None:
    async with scene.operator():
        await scene.apply(rayClusterDeletionDelaySeconds=5)
        before = await scene.until(running)
        scene.kubelet.decide = lambda _pod: Fate.IMAGE_MISSING
        await scene.set_head_image("nowhere/ray:1")
        status = await scene.until(lambda s: "nowhere/ray:1" in s.message(c.UPGRADE_IN_PROGRESS))
        assert status.active == before.active
        assert status.reason(c.READY) == c.NONZERO_SERVE_ENDPOINTS
        scene.kubelet.decide = lambda _pod: Fate.RUNS
        await scene.set_head_image("rayproject/ray:2.7.0")
        after = await scene.until(lambda s: s.is_running and s.active != before.active)
        assert after.active != status.pending
        await scene.until_clusters(1)
        assert await scene.clusters() == (after.active,)


async def expect_warning(scene: ServiceScene, reason: str, text: str) -> None:
    """Events are written in the background: wait for one, and see that it is the only one."""
    found: list[str] = []
    async with asyncio.timeout(30):
        while not found:
            found = [note for why, note in await scene.warnings() if why == reason and text in note]
            await asyncio.sleep(0.1)
    assert len(found) == 1


# --- Rays that do not answer ----------------------------------------------------------------------
async def test_hung_dashboards_do_not_hold_up_other_services(scene: ServiceScene) -> None:
    hung = [f"hung-{number}" for number in range(12)]
    scene.rays.answer("hung-", Mode.HUNG)
    async with scene.operator():
        for name in hung:
            await scene.apply(name)
        async with asyncio.timeout(60):
            while len({pod for _, pod, _, _ in scene.rays.requests}) < len(hung):  # noqa: ASYNC110 - the fakes are asked
                await asyncio.sleep(0.1)
        await scene.apply("lively")
        await scene.until(running, "lively")
        status = await scene.until(lambda s: s.reason(c.DASHBOARD_REACHABLE) == c.TIMEOUT, hung[0])
        assert not status.active


# --- restarts -------------------------------------------------------------------------------------
MOMENTS: dict[str, Callable[[Status], bool]] = {
    "the first cluster is named": lambda s: bool(s.pending),
    "the first cluster exists": lambda s: bool(
        get_object(s.document, "pendingServiceStatus", "rayClusterStatus")
    ),
    "the config is being applied": lambda s: s.reason(c.SERVE_CONFIG_APPLIED) == c.PENDING,
    "the applications run": lambda s: s.reason(c.SERVE_CONFIG_APPLIED) == c.APPLIED,
    "the first cluster is active": lambda s: bool(s.active),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS.keys())
async def test_a_start_is_finished_by_the_next_operator(
    scene: ServiceScene, moment: Callable[[Status], bool]
) -> None:
    async with scene.operator():
        await scene.apply()
        await scene.until(moment)
    async with scene.operator():
        await scene.until(lambda s: s.is_running and s.endpoints == 2)
    assert len(await scene.clusters()) == 1


UPGRADE_MOMENTS: dict[str, Callable[[Status], bool]] = {
    "the new cluster is named": lambda s: bool(s.pending),
    "the new cluster's applications run": lambda s: bool(
        get_objects(get_object(s.document, "pendingServiceStatus"), "serveDeploymentStatuses")
    ),
    "the new cluster is active": lambda s: not s.pending,
}


@pytest.mark.parametrize("moment", UPGRADE_MOMENTS.values(), ids=UPGRADE_MOMENTS.keys())
async def test_an_upgrade_is_finished_by_the_next_operator(
    scene: ServiceScene, moment: Callable[[Status], bool]
) -> None:
    async with scene.operator():
        await scene.apply(rayClusterDeletionDelaySeconds=5)
        before = await scene.until(running)
        await scene.edit(rayClusterConfig={"rayVersion": "2.100.0"})
        await scene.until(lambda s: bool(s.pending) or s.active != before.active)
        await scene.until(moment)
    async with scene.operator():
        after = await scene.until(lambda s: s.is_running and s.active != before.active)
        await scene.until_clusters(1)
        await scene.until_selected(after.active, SERVE)
    assert await scene.clusters() == (after.active,)
