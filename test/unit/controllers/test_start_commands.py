from typing import Any

import pytest

from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.pods import head_params, worker_params
from ray_operator.controllers.manifests.ray_params import (
    container_resource_params,
    group_resource_params,
    unreadable_resources,
)
from ray_operator.controllers.manifests.start_command import ray_start, starts_ray, wrapped
from support.builders import a_cluster, a_container, a_group, a_head, a_template, resources, seen
from support.vectors import read_vectors

VECTORS = read_vectors("start_commands")


@pytest.mark.parametrize("case", VECTORS["commands"], ids=lambda case: case["want"])
def test_resources_of_the_container_become_parameters(case: dict[str, Any]) -> None:
    container = {"resources": {"limits": case["limits"]}}
    params = container_resource_params(case["params"], container)
    assert ray_start(params, is_head=case["node"] == "head") == case["want"]


@pytest.mark.parametrize("case", VECTORS["group_resources"], ids=lambda c: str(c["resources"]))
def test_logical_resources_of_a_group_become_parameters(case: dict[str, Any]) -> None:
    assert group_resource_params(case["resources"]) == case["want"]


def test_the_whole_command_of_a_head_with_autoscaler() -> None:
    container = a_container(resources=resources(cpu="2", memory="4Gi"))
    cluster = seen(a_cluster(head=a_head(a_template(container)), enableInTreeAutoscaling=True))
    start = ray_start(head_params(cluster), is_head=True)
    assert wrapped(start, ()) == VECTORS["full_args"][0]["want"]


def test_the_whole_command_of_a_gpu_worker() -> None:
    amounts = {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}
    container = a_container(resources=resources(**amounts))
    cluster = seen(a_cluster(groups=[a_group(template=a_template(container))]))
    start = ray_start(worker_params(cluster, cluster.workers[0], BuildOptions()), is_head=False)
    assert wrapped(start, ()) == VECTORS["full_args"][1]["want"]


def test_parameters_may_be_numbers_and_booleans() -> None:
    head = a_head(rayStartParams={"num-cpus": 0, "log-color": True, "port": 6380, "x": 0.5})
    params = head_params(seen(a_cluster(head=head)))
    start = ray_start(params, is_head=True)
    for flag in (" --num-cpus=0 ", " --log-color=true ", " --port=6380 ", " --x=0.5 "):
        assert flag in start


def test_the_users_own_command_comes_first() -> None:
    text = wrapped("ray start ", ("echo", "hello"))
    assert text.startswith(" echo  hello  && ulimit -n ")


def test_a_command_that_starts_ray_is_recognised() -> None:
    assert starts_ray(("bash", "-c", "pip list; ray start --head --block"))
    assert not starts_ray(("echo", "raystart"))


def test_the_driver_log_is_followed_only_for_an_id_that_is_no_shell() -> None:
    followed = wrapped("ray start ", (), driver_log="demo-kx2l9")
    assert followed.startswith("tail -n +1 -F /tmp/ray/session_latest/logs/job-driver-demo-kx2l9")
    assert wrapped("ray start ", (), driver_log="x; rm -rf /").startswith("ulimit")


def test_resources_that_nobody_can_read_are_told_and_left_out() -> None:
    assert group_resource_params({"CPU": "two", "GPU": "1"}) == {"num-gpus": "1"}
    told = unreadable_resources({"CPU": "two", "GPU": "1"}, {"resources": "{"})
    assert [text.split(":")[0] for text in told] == ["resources[CPU]", "rayStartParams.resources"]
    assert unreadable_resources({}, {"resources": "'{\"a\": 1}'"}) == []
