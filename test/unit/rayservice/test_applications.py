"""What the status says of one cluster, and when its times move."""

from datetime import UTC, datetime, timedelta

from ray_operator.controllers.dashboard.errors import Trouble
from ray_operator.controllers.dashboard.observation import Failure, Observation, RayView
from ray_operator.controllers.dashboard.reports import (
    ApplicationReport,
    DeploymentReport,
    ServeReport,
)
from ray_operator.controllers.rayservice.applications import cluster_status
from ray_operator.controllers.rayservice.observed import ClusterSeen
from ray_operator.operator.documents import JsonObject, get_object, get_objects, get_text
from ray_operator.operator.keys import ObjectRef
from support.builders import a_cluster, seen

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(minutes=5)
REF = ObjectRef("ray.io/v1", "RayCluster", "default", "demo", "u1")


def saying(observation: Observation | None) -> ClusterSeen:
    return ClusterSeen(cluster=seen(a_cluster()), ref=REF, ray=RayView(observation))


def reporting(*applications: ApplicationReport) -> ClusterSeen:
    report = ServeReport(applications=applications)
    return saying(Observation(START, START, report=report))


def silent(last_answer: datetime | None) -> ClusterSeen:
    failure = Failure(Trouble.TIMEOUT, "no answer in time")
    return saying(Observation(LATER, last_answer, failure=failure))


def fruit(status: str = "RUNNING", deployment: str = "HEALTHY") -> ApplicationReport:
    return ApplicationReport(
        "fruit", status, deployments=(DeploymentReport("MangoStand", deployment),)
    )


def stated(
    cluster: ClusterSeen, old: JsonObject | None = None, now: datetime = START
) -> JsonObject:
    return cluster_status("demo", cluster, old or {}, now)


def time_of(status: JsonObject, *path: str) -> str:
    return get_text(get_object(status, *path[:-1]), path[-1])


def test_times_stand_still_while_nothing_changes() -> None:
    first = stated(reporting(fruit()))
    assert stated(reporting(fruit()), first, LATER) == first


def test_a_new_state_moves_its_own_time_alone() -> None:
    first = stated(reporting(fruit()))
    second = stated(reporting(fruit(deployment="UPDATING")), first, LATER)
    app = ("applicationStatuses", "fruit")
    assert time_of(second, *app, "lastUpdateTime") == "2026-01-01T00:00:00Z"
    deployment = (*app, "serveDeploymentStatuses", "MangoStand")
    assert time_of(second, *deployment, "lastUpdateTime") == "2026-01-01T00:05:00Z"


def test_lost_health_is_dated_and_then_stands() -> None:
    first = stated(reporting(fruit()))
    lost = stated(reporting(fruit("UNHEALTHY")), first, LATER)
    app = ("applicationStatuses", "fruit", "healthLastUpdateTime")
    assert time_of(lost, *app) == "2026-01-01T00:05:00Z"
    much_later = stated(reporting(fruit("DEPLOY_FAILED")), lost, LATER + timedelta(hours=1))
    assert time_of(much_later, *app) == "2026-01-01T00:05:00Z"


def test_a_silent_dashboard_is_dated_by_its_last_answer_and_leaves_the_applications_standing() -> (
    None
):
    first = stated(reporting(fruit()))
    lost = stated(silent(START + timedelta(minutes=1)), first, LATER)
    assert time_of(lost, "dashboardStatus", "healthLastUpdateTime") == "2026-01-01T00:01:00Z"
    assert "isHealthy" not in get_object(lost, "dashboardStatus")
    assert lost["applicationStatuses"] == first["applicationStatuses"]


def test_the_only_application_is_shown_where_the_first_release_showed_it() -> None:
    assert get_object(stated(reporting(fruit())), "appStatus")["status"] == "RUNNING"
    two = stated(reporting(fruit(), ApplicationReport("math", "RUNNING")))
    assert two["appStatus"] == {}


def test_deployments_are_listed_by_their_bare_names() -> None:
    old_ray = ApplicationReport(
        "fruit", "RUNNING", deployments=(DeploymentReport("fruit_MangoStand", "HEALTHY"),)
    )
    status = stated(reporting(old_ray))
    (listed,) = get_objects(status, "serveDeploymentStatuses")
    assert listed["name"] == "MangoStand"
    by_name = get_object(status, "applicationStatuses", "fruit", "serveDeploymentStatuses")
    assert list(by_name) == ["fruit_MangoStand"]


def test_a_cluster_without_a_name_has_no_part() -> None:
    assert cluster_status("", None, {}, START) == {}
