"""What a user does to a RayService, and how it is seen that the operator has done its part.

Each scenario begins where another one ends, at rest; `Play` runs it, under faults or without.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ray_operator.api import conditions as c
from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.operator.documents import JsonObject, copy_document, get_object, get_objects
from ray_operator.operator.errors import NotFound
from ray_operator.operator.keys import Key
from support.service_scene import ServiceScene, Status

NAME = "demo"
SERVE = f"{NAME}-serve-svc"
OLD_PRICE, NEW_PRICE = 3, 4
EVERY_POD_OF_TWO, EVERY_POD_OF_FOUR = 2, 4


@dataclass(frozen=True, slots=True)
class Scenario:
    """`after` is the scenario at whose end this one begins, "" for an empty namespace."""

    name: str
    after: str
    act: Callable[[ServiceScene], Awaitable[None]]
    is_done: Callable[[ServiceScene], Awaitable[bool]]
    """Asked in a run without faults only."""


# -- create


async def create(scene: ServiceScene) -> None:
    """Apply the sample; left-over clusters go as soon as the rules allow."""
    await scene.apply(NAME, rayClusterDeletionDelaySeconds=5)


async def is_up(scene: ServiceScene, pods: int = EVERY_POD_OF_TWO) -> bool:
    """Serves with all pods, and what it was told is what it runs."""
    status = await scene.status(NAME)
    is_applied = status.reason(c.SERVE_CONFIG_APPLIED) == c.APPLIED
    return status.is_running and status.endpoints == pods and is_applied


# -- change in place


async def change_config(scene: ServiceScene) -> None:
    """Raise a price."""
    await scene.edit_config(f"price: {OLD_PRICE}", f"price: {NEW_PRICE}", NAME)


async def has_new_price(scene: ServiceScene) -> bool:
    """The same cluster sells at the new price."""
    status = await scene.status(NAME)
    return scene.price(status.active) == NEW_PRICE and await is_up(scene)


# -- upgrade


async def upgrade(scene: ServiceScene) -> None:
    """Ask for another Ray and another price in one edit: the old cluster must not hear of it."""
    service = await scene.service(NAME)
    text = str(get_object(service, "spec")["serveConfigV2"])
    await scene.edit(
        NAME,
        serveConfigV2=text.replace(f"price: {OLD_PRICE}", f"price: {NEW_PRICE}"),
        rayClusterConfig={"rayVersion": "2.100.0"},
    )


async def is_upgraded(scene: ServiceScene) -> bool:
    """One cluster is left, and it is the new one."""
    clusters = await scene.all(RAYCLUSTERS)
    versions = [get_object(cluster, "spec").get("rayVersion") for cluster in clusters]
    return versions == ["2.100.0"] and await is_up(scene)


# -- worker groups


async def add_group(scene: ServiceScene) -> None:
    """Append a worker group of two: the running cluster gets it."""
    spec = copy_document(get_object(await scene.service(NAME), "spec", "rayClusterConfig"))
    (group,) = get_objects(spec, "workerGroupSpecs")
    more: JsonObject = {**group, "groupName": "more", "replicas": 2}
    await scene.edit(NAME, rayClusterConfig={"workerGroupSpecs": [group, more]})


async def scale(scene: ServiceScene) -> None:
    """Scale the cluster's group to three, as an autoscaler would."""
    (cluster,) = await scene.all(RAYCLUSTERS)
    (group,) = get_objects(get_object(cluster, "spec"), "workerGroupSpecs")
    key = Key(scene.namespace, str(get_object(cluster, "metadata")["name"]))
    spec: JsonObject = {"workerGroupSpecs": [{**group, "replicas": 3}]}
    await scene.kube.patch(RAYCLUSTERS, key, {"spec": spec})


async def has_four_pods(scene: ServiceScene) -> bool:
    """All four pods serve."""
    return await is_up(scene, EVERY_POD_OF_FOUR)


# -- suspend, resume, delete


async def suspend(scene: ServiceScene) -> None:
    """Suspend it."""
    await scene.edit(NAME, suspend=True)


async def is_suspended(scene: ServiceScene) -> bool:
    """Nothing is left but the RayService."""
    status = await scene.status(NAME)
    return status.reason(c.SUSPENDED) == c.SUSPEND_COMPLETE and not await scene.clusters()


async def resume(scene: ServiceScene) -> None:
    """Resume it."""
    await scene.edit(NAME, suspend=False)


async def delete(scene: ServiceScene) -> None:
    """Delete it."""
    await scene.kube.delete(RAYSERVICES, Key(scene.namespace, NAME))


async def is_deleted(scene: ServiceScene) -> bool:
    """Neither it nor a cluster is left."""
    try:
        await scene.service(NAME)
    except NotFound:
        return not await scene.clusters()
    return False


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("create", "", create, is_up),
        Scenario("config", "create", change_config, has_new_price),
        Scenario("upgrade", "create", upgrade, is_upgraded),
        Scenario("add group", "create", add_group, has_four_pods),
        Scenario("scale", "create", scale, has_four_pods),
        Scenario("suspend", "create", suspend, is_suspended),
        Scenario("resume", "suspend", resume, is_up),
        Scenario("delete", "create", delete, is_deleted),
    )
}


def has_begun_to_serve(status: Status) -> bool:
    """Tell whether traffic has been let in once."""
    return status.reason(c.READY) == c.NONZERO_SERVE_ENDPOINTS
