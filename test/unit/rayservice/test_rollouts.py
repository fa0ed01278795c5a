"""Whole lives of a RayService in a played world: every pass is the operator's own code."""

from collections.abc import Callable, Mapping

import pytest

from ray_operator.api import conditions as c
from ray_operator.controllers.rayservice.desired import Options
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_object,
    get_objects,
    get_text,
    get_texts,
)
from support.rayservice_world import (
    FRUIT,
    World,
    a_service_spec,
    a_worker_group,
    with_price,
)

SERVE = "rayservice-sample-serve-svc"
HEAD = "rayservice-sample-head-svc"
ALIAS = "rayservice-sample-head"


def running(world: World) -> bool:
    return world.is_running and not world.pending


def a_running_world(**changes: object) -> World:
    world = World(**changes)  # type: ignore[arg-type]  # the fields are checked by dataclass itself
    world.settle(running)
    return world


def test_a_service_comes_up_on_one_cluster() -> None:
    world = a_running_world()
    assert world.clusters == (world.active,)
    assert world.status["numServeEndpoints"] == 2
    assert world.selected(SERVE) == world.selected(HEAD) == world.selected(ALIAS) == world.active


def test_the_clusters_name_is_in_the_status_before_the_cluster_exists() -> None:
    world = World()
    world.turn()
    assert world.pending.startswith("rayservice-sample-raycluster-")
    assert not world.clusters
    world.turn()
    assert world.clusters == (world.pending,)


def test_no_service_exists_before_the_first_cluster_can_serve() -> None:
    world = World(broken_imports={FRUIT: "no"})
    for _ in range(20):
        world.turn()
    assert not world.document("services", SERVE)


def test_a_service_at_rest_causes_no_write() -> None:
    world = a_running_world()
    world.rest()
    assert world.rest(10) == 0


def test_a_changed_serve_config_is_applied_in_place() -> None:
    world = a_running_world()
    cluster = world.active
    world.edit(serveConfigV2=with_price(4))
    world.settle(lambda w: (w.config_of(cluster) or {}) != {} and price_of(w, cluster) == 4)
    world.settle(running)
    assert world.active == cluster
    assert world.clusters == (cluster,)


def test_a_changed_cluster_spec_moves_the_traffic_to_a_new_cluster_and_deletes_the_old_one() -> (
    None
):
    world = a_running_world()
    old = world.active
    world.edit_cluster(rayVersion="2.100.0")
    world.settle(lambda w: w.active != old)
    assert world.selected(SERVE) == world.selected(HEAD) == world.active
    world.settle(lambda w: w.clusters == (w.active,), turns=60)


def test_the_old_cluster_lives_for_its_deletion_delay() -> None:
    world = a_running_world(spec=a_service_spec(rayClusterDeletionDelaySeconds=10))
    old = world.active
    world.edit_cluster(rayVersion="2.100.0")
    world.settle(lambda w: w.active != old)
    switched = world.now
    world.settle(lambda w: old not in w.clusters)
    assert 10 <= (world.now - switched).total_seconds() <= 15


def test_a_drain_counts_from_the_switch_whatever_the_delay_becomes() -> None:
    spec = a_service_spec(rayClusterDeletionDelaySeconds=10, rayClusterDrainTimeoutSeconds=300)
    world = a_running_world(spec=spec)
    old = world.active
    world.requests_in_flight = True
    world.edit_cluster(rayVersion="2.100.0")
    world.settle(lambda w: w.active != old)
    switched = world.now
    world.rest(20)
    world.edit(rayClusterDeletionDelaySeconds=3600)
    world.settle(lambda w: old not in w.clusters, turns=400)
    assert (world.now - switched).total_seconds() >= 295


def test_worker_replicas_are_no_reason_for_a_new_cluster() -> None:
    world = a_running_world()
    old = world.active
    world.edit_cluster(workerGroupSpecs=[a_worker_group(replicas=2)])
    world.rest()
    assert world.clusters == (old,)
    world.edit_cluster(rayVersion="2.100.0")
    world.settle(lambda w: w.active != old and running(w))
    (group,) = get_objects(
        get_object(world.document("rayclusters", world.active), "spec"), "workerGroupSpecs"
    )
    assert group["replicas"] == 2


def test_appended_worker_groups_are_added_in_place() -> None:
    world = a_running_world()
    old = world.active
    world.edit_cluster(workerGroupSpecs=[a_worker_group(), a_worker_group("more")])
    world.rest()
    assert world.clusters == (old,)
    groups = get_objects(get_object(world.document("rayclusters", old), "spec"), "workerGroupSpecs")
    assert [get_text(group, "groupName") for group in groups] == ["small-group", "more"]
    assert world.rest() == 0


def test_without_zero_downtime_a_changed_cluster_spec_is_drift() -> None:
    world = a_running_world(spec=a_service_spec(upgradeStrategy={"type": "None"}))
    old = world.active
    world.edit_cluster(rayVersion="2.100.0")
    world.rest()
    assert world.clusters == (old,)
    assert world.condition(c.SPEC_DRIFT)["status"] == "True"
    world.edit_cluster(rayVersion="2.6.3")
    world.rest()
    assert world.condition(c.SPEC_DRIFT)["status"] == "False"


def test_recreate_deletes_the_old_cluster_first() -> None:
    world = a_running_world(spec=a_service_spec(upgradeStrategy={"type": "Recreate"}))
    old = world.active
    counts: list[int] = []
    world.check = lambda w: counts.append(len(w.clusters))
    world.edit_cluster(rayVersion="2.100.0")
    world.settle(lambda w: running(w) and w.active != old)
    assert max(counts) == 1


# --- bad input ------------------------------------------------------------------------------------
def warnings(world: World, reason: str) -> list[str]:
    return [text for kind, why, text in world.events if (kind, why) == ("Warning", reason)]


def test_a_config_that_is_no_yaml_is_named_and_mended_by_an_edit() -> None:
    world = World(spec=a_service_spec(serveConfigV2="applications: [\n"))
    world.rest()
    assert world.clusters == ()
    assert world.condition(c.SPEC_VALID)["status"] == "False"
    assert "spec.serveConfigV2" in str(world.condition(c.SPEC_VALID)["message"])
    assert world.condition(c.READY)["reason"] == c.VALIDATION_FAILED
    assert len(warnings(world, "InvalidRayServiceSpec")) == 1
    world.edit(serveConfigV2=with_price(3))
    world.settle(running)


def test_an_elided_deployments_list_is_named() -> None:
    world = World(
        spec=a_service_spec(serveConfigV2="applications:\n- name: fruit_app\n  deployments: ...\n")
    )
    world.rest()
    assert "applications[0].deployments" in str(world.condition(c.SPEC_VALID)["message"])


def test_a_broken_edit_leaves_the_running_service_as_it_is() -> None:
    world = a_running_world()
    old = world.active
    world.edit(serveConfigV2="applications: 7")
    world.rest()
    assert world.is_running
    assert world.clusters == (old,)
    assert world.condition(c.SPEC_VALID)["status"] == "False"
    assert world.selected(SERVE) == old


TRACEBACK = (
    "Deploying app 'math_app' failed with exception:\nTraceback (most recent call last):\n"
    "  File \"x.py\", line 1\nModuleNotFoundError: No module named 'conditional_dag'\n"
)


def test_an_application_that_cannot_be_imported_is_named_with_its_field() -> None:
    world = World(broken_imports={"conditional_dag.serve_dag": TRACEBACK})
    world.settle(lambda w: w.condition(c.SERVE_CONFIG_APPLIED).get("reason") == c.FAILED_REASON)
    said = str(world.condition(c.SERVE_CONFIG_APPLIED)["message"])
    assert said == (
        "spec.serveConfigV2.applications[1].import_path: application math_app: DEPLOY_FAILED: "
        "ModuleNotFoundError: No module named 'conditional_dag'"
    )
    world.rest()
    assert warnings(world, "FailedToUpdateServeApplications") == [said]
    assert world.rest() == 0


def test_a_corrected_import_path_is_all_it_takes() -> None:
    world = World(broken_imports={"nowhere.app": TRACEBACK})
    world.edit(serveConfigV2=with_price(3).replace(FRUIT, "nowhere.app"))
    world.settle(lambda w: w.condition(c.SERVE_CONFIG_APPLIED).get("reason") == c.FAILED_REASON)
    cluster = world.pending
    world.edit(serveConfigV2=with_price(3))
    world.settle(running)
    assert world.active == cluster, "the same cluster runs the corrected config"


def test_a_config_that_ray_refuses_is_told_in_rays_words() -> None:
    world = World(rejects="num_replicas and autoscaling_config cannot both be given")
    world.settle(lambda w: w.condition(c.SERVE_CONFIG_APPLIED).get("reason") == c.REJECTED)
    assert world.rejects in str(world.condition(c.SERVE_CONFIG_APPLIED)["message"])
    world.rest(60)
    assert len(warnings(world, "FailedToUpdateServeApplications")) == 1


def test_an_image_that_does_not_exist_is_named_with_its_field() -> None:
    world = World(bad_images={"nowhere/ray:1"})
    world.set_image("nowhere/ray:1")
    place = 'spec.rayClusterConfig.headGroupSpec.template.spec.containers[0].image "nowhere/ray:1"'
    world.settle(lambda w: place in str(w.condition(c.UPGRADE_IN_PROGRESS).get("message")))
    assert place in str(world.condition(c.READY)["message"])
    assert len(warnings(world, "PodsFailing")) == 1
    broken = world.pending
    world.set_image("rayproject/ray:2.6.3")
    world.settle(running)
    assert world.clusters == (world.active,)
    assert world.active != broken


def test_a_broken_upgrade_leaves_the_active_cluster_serving_and_is_replaced_by_a_correction() -> (
    None
):
    world = a_running_world()
    old = world.active
    world.bad_images = {"nowhere/ray:1"}
    world.set_image("nowhere/ray:1")
    world.settle(
        lambda w: "nowhere/ray:1" in str(w.condition(c.UPGRADE_IN_PROGRESS).get("message"))
    )
    assert world.is_running
    assert world.active == old
    broken = world.pending
    world.set_image("rayproject/ray:2.7.0")
    world.settle(lambda w: running(w) and w.active != old)
    assert broken not in world.clusters


def test_going_back_to_the_active_clusters_spec_drops_the_pending_one() -> None:
    world = a_running_world()
    old = world.active
    world.bad_images = {"nowhere/ray:1"}
    before = world.spec
    world.set_image("nowhere/ray:1")
    world.settle(lambda w: bool(w.pending))
    world.rest()
    world.edit(**before)
    world.settle(lambda w: not w.pending)
    assert world.clusters == (old,)
    assert world.active == old


# --- suspend, time-out ----------------------------------------------------------------------------
def test_a_suspended_service_has_nothing_and_comes_back() -> None:
    world = a_running_world()
    world.edit(suspend=True)
    world.settle(lambda w: w.condition(c.SUSPENDED).get("status") == "True")
    assert world.clusters == ()
    assert not world.document("services", SERVE)
    assert world.condition(c.READY)["reason"] == c.SUSPEND_COMPLETE
    assert world.rest() == 0
    world.edit(suspend=False)
    world.settle(running)
    assert world.condition(c.SUSPENDED)["reason"] == c.RESUMED


def test_a_cluster_that_arrives_after_the_suspension_is_deleted() -> None:
    world = a_running_world()
    world.edit(suspend=True)
    world.settle(lambda w: w.condition(c.SUSPENDED).get("status") == "True")
    world.bring_late("late")
    world.turn()
    assert world.clusters == ()


def test_a_service_that_is_created_suspended_creates_nothing() -> None:
    world = World(spec=a_service_spec(suspend=True))
    world.settle(lambda w: w.condition(c.SUSPENDED).get("status") == "True")
    world.rest()
    assert world.clusters == ()


def test_the_initializing_timeout_is_for_good() -> None:
    world = World(bad_images={"nowhere/ray:1"}, annotations={"ray.io/initializing-timeout": "10s"})
    world.set_image("nowhere/ray:1")
    world.settle(lambda w: w.condition(c.READY).get("reason") == c.INITIALIZING_TIMEOUT)
    world.rest()
    assert (world.active, world.pending, world.clusters) == ("", "", ())
    world.set_image("rayproject/ray:2.6.3")
    world.rest(10)
    assert world.clusters == ()
    assert len(warnings(world, "RayServiceInitializingTimeout")) == 1


# --- status ---------------------------------------------------------------------------------------
def test_the_status_has_the_shapes_that_users_know() -> None:
    world = a_running_world()
    world.rest()
    active = get_object(world.status, "activeServiceStatus")
    fruit = get_object(active, "applicationStatuses", "fruit_app")
    assert fruit["status"] == "RUNNING"
    assert get_object(fruit, "serveDeploymentStatuses", "MangoStand")["status"] == "HEALTHY"
    listed = get_objects(active, "serveDeploymentStatuses")
    assert [entry["name"] for entry in listed] == ["MangoStand", "Adder"]
    assert get_object(active, "dashboardStatus")["isHealthy"] is True
    assert active["appStatus"] == {}


def test_a_fresh_pending_cluster_has_the_fields_that_users_know() -> None:
    world = a_running_world()
    world.edit_cluster(rayVersion="2.100.0")
    world.turn()
    pending = get_object(world.status, "pendingServiceStatus")
    assert (pending["appStatus"], pending["rayClusterStatus"]) == ({}, {})
    assert get_texts(pending, "dashboardStatus").keys() == {
        "healthLastUpdateTime",
        "lastUpdateTime",
    }


def price_of(world: World, cluster: str) -> object:
    (app, _) = get_objects(world.config_of(cluster) or {}, "applications")
    (deployment,) = get_objects(app, "deployments")
    return get_object(deployment, "user_config")["price"]


# --- killed at any moment -------------------------------------------------------------------------
def upgrade(world: World) -> None:
    world.settle(running)
    old, check = world.active, world.check

    def check_config_too(w: World) -> None:
        """Invariant 3: the old cluster never sees the config of the new one."""
        check(w)
        assert old not in w.clusters or price_of(w, old) == 3

    world.check = check_config_too
    world.edit(
        rayClusterConfig={**get_object(world.spec, "rayClusterConfig"), "rayVersion": "2.100.0"},
        serveConfigV2=with_price(4),
    )
    world.settle(lambda w: running(w) and w.active != old and w.clusters == (w.active,))
    world.rest()


def in_place(world: World) -> None:
    world.settle(running)
    world.edit(serveConfigV2=with_price(4))
    world.settle(lambda w: price_of(w, w.active) == 4 and running(w))
    world.rest()


def suspension(world: World) -> None:
    world.settle(running)
    world.edit(suspend=True)
    world.settle(lambda w: w.condition(c.SUSPENDED).get("status") == "True")
    world.edit(suspend=False)
    world.settle(running)
    world.rest()


LIVES: Mapping[str, Callable[[World], None]] = {
    "an upgrade of image and config together": upgrade,
    "a config change in place": in_place,
    "a suspension and its end": suspension,
}


def the_serve_service_never_points_nowhere(world: World) -> None:
    """Invariants 1, 2 and 6 of rayservice.md 18 (while it was not suspended)."""
    target = world.selected(SERVE)
    if not target or world.spec.get("suspend"):
        return
    assert target in world.clusters
    assert len(world.clusters) <= 2
    endpoints = world.document("endpointslices", SERVE)
    listed = get_objects(endpoints, "endpoints")
    assert not endpoints or any(get_object(e, "conditions")["ready"] for e in listed)


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
def test_a_kill_after_any_write_changes_nothing_in_the_end(life: Callable[[World], None]) -> None:
    quiet = World(check=the_serve_service_never_points_nowhere)
    life(quiet)
    for number in range(1, len(quiet.writes) + 1):
        world = World(check=the_serve_service_never_points_nowhere, die_after_write=number)
        life(world)
        assert len(world.clusters) == 1, f"killed after write {number}: {world.writes[number - 1]}"
        assert world.is_running
        assert world.config_of(world.active) == quiet.config_of(quiet.active)
        assert world.status["numServeEndpoints"] == quiet.status["numServeEndpoints"]


def test_a_switch_that_was_begun_is_finished_though_the_spec_became_invalid() -> None:
    world = a_running_world()
    old = world.active
    world.edit_cluster(rayVersion="2.100.0")
    world.settle(lambda w: w.selected(SERVE) != old and bool(w.pending))
    world.point(HEAD, old)  # as if the operator had been killed between the two Services
    world.edit(serveConfigV2="applications: 7")
    world.settle(lambda w: not w.pending)
    assert world.active != old
    assert world.selected(SERVE) == world.selected(HEAD) == world.selected(ALIAS) == world.active


def test_a_pending_cluster_that_is_being_deleted_does_not_become_the_active_one() -> None:
    world = a_running_world()
    old = world.active
    world.edit_cluster(rayVersion="2.100.0")
    world.settle(lambda w: w.selected(SERVE) != old and bool(w.pending))
    doomed = world.pending
    world.begin_deletion(doomed)
    world.rest()
    assert (world.active, world.pending) == (old, doomed)
    assert world.selected(SERVE) == world.selected(HEAD) == world.selected(ALIAS) == old

    world.end_deletion(doomed)
    world.settle(lambda w: w.active == doomed and running(w))
    assert world.selected(SERVE) == world.selected(HEAD) == doomed


# --- health ---------------------------------------------------------------------------------------
def minutes(count: int) -> int:
    return count * 30  # turns of two seconds


def test_a_dashboard_that_is_silent_for_long_leads_to_a_new_cluster() -> None:
    world = a_running_world()
    old = world.active
    world.silent = {old}
    world.rest(minutes(4))
    assert world.active == old
    world.settle(lambda w: w.active != old and running(w), turns=minutes(4))
    assert "PreparingNewCluster" in world.reasons()


def test_an_application_that_fails_for_long_leads_to_a_new_cluster() -> None:
    world = a_running_world()
    old = world.active
    world.ill = {old}
    world.rest(minutes(14))
    assert (world.active, world.pending) == (old, "")
    world.settle(lambda w: w.active != old and running(w), turns=minutes(4))


def test_a_first_cluster_that_was_never_ready_is_not_replaced_for_its_health() -> None:
    world = World(broken_imports={FRUIT: "no"})
    world.rest(minutes(20))
    assert len(world.clusters) == 1


def test_health_replacement_can_be_switched_off() -> None:
    world = a_running_world(options=Options(health_replacement=False))
    old = world.active
    world.silent = {old}
    world.rest(minutes(10))
    assert world.clusters == (old,)


def test_a_threshold_of_zero_is_for_ever() -> None:
    world = a_running_world(spec=a_service_spec(deploymentUnhealthySecondThreshold=0))
    old = world.active
    world.silent = {old}
    world.rest(minutes(20))
    assert world.clusters == (old,)


def test_the_second_replacement_waits_longer_than_the_first() -> None:
    world = a_running_world(spec=a_service_spec(deploymentUnhealthySecondThreshold=60))
    first = world.active
    world.silent = {first}
    world.settle(lambda w: w.active != first and running(w), turns=minutes(4))
    second = world.active
    world.silent = {second}
    world.rest(minutes(20))
    assert world.active == second
    world.settle(lambda w: w.active != second and running(w), turns=minutes(60))


# --- Ray and the config ---------------------------------------------------------------------------
def test_a_config_that_somebody_changed_in_ray_is_put_back() -> None:
    world = a_running_world()
    world.rest()
    told = world.ray(world.active).told
    world.tamper(world.active, import_path="other.app")
    world.settle(lambda w: w.ray(w.active).told > told)
    assert "ServeConfigDrift" in world.reasons()
    world.rest()
    assert world.ray(world.active).told == told + 1


def test_a_config_that_ray_writes_in_its_own_way_is_not_sent_again() -> None:
    world = a_running_world(normalises=True)
    told = world.ray(world.active).told
    world.rest(30)
    assert world.ray(world.active).told == told


def test_an_application_that_ray_lost_is_put_back() -> None:
    world = a_running_world()
    world.rest(10)
    told = world.ray(world.active).told
    world.lose_applications(world.active)
    world.settle(lambda w: w.ray(w.active).told > told)
    world.settle(running)


def test_requests_in_flight_keep_the_old_cluster_but_not_for_ever() -> None:
    world = a_running_world(
        spec=a_service_spec(rayClusterDeletionDelaySeconds=10, rayClusterDrainTimeoutSeconds=120)
    )
    old = world.active
    world.requests_in_flight = True
    world.edit_cluster(rayVersion="2.100.0")
    world.settle(lambda w: w.active != old)
    switched = world.now
    world.settle(lambda w: old not in w.clusters, turns=minutes(4))
    assert 118 <= (world.now - switched).total_seconds() <= 126


# --- manifests of the first releases --------------------------------------------------------------
def a_legacy_spec() -> dict[str, JsonValue]:
    spec = a_service_spec()
    del spec["serveConfigV2"]
    deployment: JsonObject = {"name": "MangoStand", "numReplicas": 1, "userConfig": "price: 3\n"}
    return {**spec, "serveConfig": {"importPath": FRUIT, "deployments": [deployment]}}


def test_a_manifest_of_the_first_release_comes_up_and_shows_its_only_application() -> None:
    world = a_running_world(spec=a_legacy_spec())
    active = get_object(world.status, "activeServiceStatus")
    assert get_object(active, "appStatus")["status"] == "RUNNING"
    assert list(get_object(active, "applicationStatuses")) == ["default"]


def test_a_manifest_of_the_first_release_upgrades_when_its_replicas_change() -> None:
    world = a_running_world(spec=a_legacy_spec())
    old = world.active
    world.edit_cluster(workerGroupSpecs=[a_worker_group(replicas=2)])
    world.settle(lambda w: bool(w.pending))
    world.settle(lambda w: running(w) and w.active != old)
    assert world.status["numServeEndpoints"] == 3


def test_the_annotation_decides_whether_replicas_are_a_reason() -> None:
    world = a_running_world(
        spec=a_legacy_spec(), annotations={"ray.io/upgrade-on-replica-change": "false"}
    )
    old = world.active
    world.edit_cluster(workerGroupSpecs=[a_worker_group(replicas=2)])
    world.rest(10)
    assert world.clusters == (old,)
