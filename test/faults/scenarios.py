"""What happens to a RayCluster: created, scaled, changed, suspended, deleted.

A scenario has two parts.  `prepare` brings about what is there before, without faults; `act` is
what a user does while a fault is about.  Both say how many pods of each group there may be from
then on, at any moment.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from faults.guard import HEAD
from faults.world import World
from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.operator.documents import JsonObject, JsonValue, get_object, get_text
from support.builders import a_cluster, a_container, a_group, a_head, a_template

Deed = Callable[[World], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One story of one RayCluster."""

    name: str
    prepare: Deed
    act: Deed


async def _nothing(_world: World) -> None:
    pass


def _groups(small: int, large: int, image: str = "") -> list[JsonValue]:
    changes: dict[str, JsonValue] = {"image": image} if image else {}
    template = a_template(a_container("ray-worker", **changes))
    return [
        a_group("small", replicas=small, template=template),
        a_group("large", replicas=large, template=template),
    ]


def _most(small: int, large: int) -> Mapping[str, int]:
    return {HEAD: 1, "small": small, "large": large}


def _cluster(world: World, groups: list[JsonValue], **spec: JsonValue) -> JsonObject:
    document = a_cluster(namespace=world.namespace)
    return {
        **document,
        "spec": {**get_object(document, "spec"), "workerGroupSpecs": groups, **spec},
    }


async def _a_running_cluster(world: World, **spec: JsonValue) -> None:
    world.guard.allow("demo", _most(2, 1))
    await world.apply(_cluster(world, _groups(2, 1), **spec))
    await world.until_ready()


# -- create


async def _create(world: World) -> None:
    """A cluster with all its children: autoscaler, token, two groups."""
    await _a_running_or_not(world, enableInTreeAutoscaling=True, authOptions={"mode": "token"})


async def _a_running_or_not(world: World, **spec: JsonValue) -> None:
    world.guard.allow("demo", _most(2, 1))
    await world.apply(_cluster(world, _groups(2, 1), **spec))


# -- scale


async def _scale_up(world: World) -> None:
    world.guard.allow("demo", _most(4, 2))
    await world.edit(workerGroupSpecs=_groups(4, 2))


async def _scale_down(world: World) -> None:
    world.guard.allow("demo", _most(2, 1))
    await world.edit(workerGroupSpecs=_groups(0, 0))


# -- update


async def _suspend(world: World) -> None:
    await world.edit(suspend=True)


async def _a_suspended_cluster(world: World) -> None:
    await _a_running_cluster(world)
    await _suspend(world)

    def look() -> bool:
        return get_text(world.witness.status("demo"), "state") == "suspended"

    await world.witness.until("it is suspended", look)


async def _resume(world: World) -> None:
    await world.edit(suspend=False)


async def _a_cluster_to_recreate(world: World) -> None:
    await _a_running_cluster(world, upgradeStrategy={"type": "Recreate"})


async def _recreate(world: World) -> None:
    await world.edit(workerGroupSpecs=_groups(2, 1, image="rayproject/ray:2.53.0"))


async def _a_cluster_with_autoscaler(world: World) -> None:
    await _a_running_cluster(world, enableInTreeAutoscaling=True)


async def _change_children(world: World) -> None:
    """No autoscaler any more, and another type of Service: what is there is changed or goes."""
    head = a_head(serviceType="NodePort")
    await world.edit(enableInTreeAutoscaling=False, headGroupSpec=head)


# -- delete


async def _delete(world: World) -> None:
    await world.delete()


async def _create_and_delete(world: World) -> None:
    await _a_running_or_not(world, enableInTreeAutoscaling=True)
    await world.witness.until("some pods", lambda: len(world.witness.pods()) >= 2)
    await world.delete()


async def _delete_and_create_again(world: World) -> None:
    """The same name, another life."""
    before = get_text(get_object(_only(world), "metadata"), "uid")
    await world.delete()

    def is_gone() -> bool:
        found = world.witness.all(RAYCLUSTERS)
        return all(get_text(get_object(each, "metadata"), "uid") != before for each in found)

    await world.witness.until("it is gone", is_gone)
    await world.apply(_cluster(world, _groups(2, 1)))


def _only(world: World) -> JsonObject:
    (found,) = world.witness.all(RAYCLUSTERS)
    return found


SCENARIOS = (
    Scenario("create", _nothing, _create),
    Scenario("scale up", _a_running_cluster, _scale_up),
    Scenario("scale down", _a_running_cluster, _scale_down),
    Scenario("suspend", _a_running_cluster, _suspend),
    Scenario("resume", _a_suspended_cluster, _resume),
    Scenario("recreate", _a_cluster_to_recreate, _recreate),
    Scenario("change children", _a_cluster_with_autoscaler, _change_children),
    Scenario("delete", _a_running_cluster, _delete),
    Scenario("delete while creating", _nothing, _create_and_delete),
    Scenario("delete and create again", _a_running_cluster, _delete_and_create_again),
)
