"""Actions as writes: their order, and how they are told."""

from ray_operator.controllers.rayservice.actions import (
    HEAD_SERVICES,
    SERVE_SERVICE,
    CreateCluster,
    CreateService,
    DeleteCluster,
    Submit,
    steps_of,
)
from ray_operator.operator.documents import JsonObject
from ray_operator.operator.keys import ObjectRef
from ray_operator.operator.writes import Delete

REF = ObjectRef("ray.io/v1", "RayCluster", "default", "demo", "u1")


def a_service(name: str) -> JsonObject:
    return {"metadata": {"name": name, "namespace": "default"}}


def test_the_heads_services_follow_the_one_that_carries_requests() -> None:
    serve, head = steps_of(
        [
            CreateService(a_service("serve"), SERVE_SERVICE),
            CreateService(a_service("head"), HEAD_SERVICES),
        ]
    )
    assert head.needs == {serve.lane}
    assert not serve.needs


def test_a_new_cluster_that_is_refused_does_not_keep_an_old_one_from_going() -> None:
    old, new = steps_of(
        [
            DeleteCluster(REF, "another has taken its place"),
            CreateCluster({"metadata": {"namespace": "default", "name": "new"}}),
        ]
    )
    assert old.lane != new.lane
    assert not old.needs
    assert not new.needs


def test_a_submission_is_no_write() -> None:
    assert steps_of([Submit(REF, {}, "v1:1", "it is new")]) == ()


def test_only_that_life_of_a_cluster_is_deleted() -> None:
    (step,) = steps_of([DeleteCluster(REF, "another has taken its place")])
    assert isinstance(step.write, Delete)
    assert step.write.uid == "u1"
    assert step.done is not None
    assert step.done.reason == "DeletedRayCluster"
    assert step.failed is not None
    assert step.failed.reason == "FailedToDeleteRayCluster"
