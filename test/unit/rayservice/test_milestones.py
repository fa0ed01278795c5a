"""What the metrics are told of a RayService's life, and what they are not told twice."""

from datetime import timedelta

from ray_operator.controllers.rayservice.milestones import Ending
from support.rayservice_world import World, a_service_spec


def running(world: World) -> bool:
    return world.is_running and not world.pending


def a_running_world(**spec: object) -> World:
    world = World(spec=a_service_spec(**spec))  # type: ignore[arg-type]  # fields of the spec
    world.settle(running)
    return world


def readiness(world: World) -> list[timedelta]:
    return [told.ready_after for told in world.milestones if told.ready_after is not None]


def switches(world: World) -> list[timedelta]:
    return [told.switched_after for told in world.milestones if told.switched_after is not None]


def upgrades(world: World) -> list[tuple[str, Ending]]:
    return [(told.strategy, told.upgrade) for told in world.milestones if told.upgrade is not None]


def test_the_first_readiness_is_told_once_with_the_time_since_the_creation() -> None:
    began = World().now
    world = a_running_world()
    world.rest()

    (taken,) = readiness(world)
    assert timedelta() < taken <= world.now - began
    assert len(switches(world)) == 1
    assert upgrades(world) == []


def test_a_restart_of_the_operator_tells_nothing_again() -> None:
    world = a_running_world()
    world.restart_operator()
    world.rest(10)

    assert (len(readiness(world)), len(switches(world)), upgrades(world)) == (1, 1, [])


def test_a_service_that_falters_and_recovers_was_ready_before() -> None:
    world = a_running_world()
    world.silent.update(world.clusters)
    world.unhealthy_proxies.update(world.clusters)
    world.rest(20)
    world.silent.clear()
    world.unhealthy_proxies.clear()
    world.settle(running)

    assert len(readiness(world)) == 1


def test_an_upgrade_that_switches_is_counted_once_under_its_strategy() -> None:
    world = a_running_world()
    old = world.active
    world.edit_cluster(rayVersion="2.100.0")
    world.settle(lambda w: w.active != old and running(w))
    world.rest()

    assert upgrades(world) == [("NewCluster", Ending.SWITCHED)]
    assert len(switches(world)) == 2
    assert len(readiness(world)) == 1


def test_recreating_is_an_upgrade_too() -> None:
    world = a_running_world(upgradeStrategy={"type": "Recreate"})
    old = world.active
    world.edit_cluster(rayVersion="2.100.0")
    world.settle(lambda w: w.active not in {"", old} and running(w))

    assert upgrades(world) == [("Recreate", Ending.SWITCHED)]


def test_a_correction_of_a_broken_upgrade_supersedes_it() -> None:
    world = a_running_world()
    world.bad_images.add("broken")
    world.set_image("broken")
    world.settle(lambda w: bool(w.pending) and len(w.clusters) == 2)
    world.set_image("mended")
    world.settle(running)

    assert upgrades(world) == [
        ("NewCluster", Ending.SUPERSEDED),
        ("NewCluster", Ending.SWITCHED),
    ]


def test_going_back_abandons_the_upgrade() -> None:
    world = a_running_world()
    before = world.spec
    world.bad_images.add("broken")
    world.set_image("broken")
    world.settle(lambda w: bool(w.pending) and len(w.clusters) == 2)
    world.edit(**before)
    world.settle(running)

    assert upgrades(world) == [("NewCluster", Ending.ABANDONED)]


def test_the_wait_of_a_suspension_is_not_told_as_time_to_ready() -> None:
    world = World(spec=a_service_spec(suspend=True))
    world.rest()
    world.edit(suspend=False)
    world.settle(running)

    assert readiness(world) == []
