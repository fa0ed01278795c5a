"""The words for what is wrong: the field first, then what was found, then why."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from ray_operator.api.conditions import Condition
from ray_operator.controllers.dashboard.observation import Observation, RayView
from ray_operator.controllers.dashboard.reports import (
    ApplicationReport,
    DeploymentReport,
    ServeReport,
)
from ray_operator.controllers.rayservice.desired import Desired, Strategy
from ray_operator.controllers.rayservice.observed import ClusterSeen
from ray_operator.controllers.rayservice.trouble import (
    application_troubles,
    cluster_troubles,
    refusal,
)
from ray_operator.controllers.views.pod import PodView
from ray_operator.operator.documents import JsonObject
from ray_operator.operator.keys import ObjectRef
from support.builders import a_cluster, a_container, a_group, a_head, a_pod, a_template, seen
from support.fake_clock import START

REF = ObjectRef("ray.io/v1", "RayCluster", "default", "demo", "u1")
HEAD = "spec.rayClusterConfig.headGroupSpec.template.spec"
GROUP = "spec.rayClusterConfig.workerGroupSpecs[1].template.spec"
CLUSTER = a_cluster(
    head=a_head(a_template(a_container("ray-head"), a_container("sidecar"))),
    groups=[a_group("small"), a_group("large")],
)


def waiting(container: str, reason: str, image: str = "x", message: str = "") -> JsonObject:
    return {
        "name": container,
        "image": image,
        "state": {"waiting": {"reason": reason, "message": message}},
    }


def a_bad_pod(name: str, group: str, *containers: JsonObject) -> PodView:
    return a_pod(name, group=group, phase="Pending", ready=False, containers=containers)


@dataclass(frozen=True)
class Case:
    pods: tuple[PodView, ...] = ()
    conditions: tuple[Condition, ...] = ()
    want: list[str] = field(default_factory=list)


IMAGE_WORDS = (
    "ImagePullBackOff: the image cannot be pulled: it does not exist, or needs credentials"
)

CASES: Mapping[str, Case] = {
    "pods that run are no trouble": Case(pods=(a_pod("h", group="headgroup"),)),
    "the head's image": Case(
        pods=(a_bad_pod("h", "headgroup", waiting("ray-head", "ErrImagePull")),),
        want=[f'{HEAD}.containers[0].image "x": {IMAGE_WORDS}'],
    ),
    "a sidecar's image": Case(
        pods=(a_bad_pod("h", "headgroup", waiting("sidecar", "ImagePullBackOff")),),
        want=[f'{HEAD}.containers[1].image "x": {IMAGE_WORDS}'],
    ),
    "the image of a container of ours is the Ray container's": Case(
        pods=(a_bad_pod("w", "large", waiting("wait-gcs-ready", "ErrImagePull")),),
        want=[f'{GROUP}.containers[0].image "x": {IMAGE_WORDS}'],
    ),
    "the same trouble of several pods is told once": Case(
        pods=tuple(
            a_bad_pod(f"w{n}", "large", waiting("ray-worker", "ErrImagePull")) for n in range(3)
        ),
        want=[f'3x {GROUP}.containers[0].image "x": {IMAGE_WORDS}'],
    ),
    "a container that cannot be configured": Case(
        pods=(
            a_bad_pod(
                "h",
                "headgroup",
                waiting("ray-head", "CreateContainerConfigError", message='secret "s" not found'),
            ),
        ),
        want=[f'{HEAD}.containers[0]: CreateContainerConfigError: secret "s" not found'],
    ),
    "a quota that refuses pods": Case(
        conditions=(
            Condition(
                "ReplicaFailure",
                "True",
                "FailedCreateHeadPod",
                "FailedCreateHeadPod\nquota used up",
            ),
        ),
        want=["FailedCreateHeadPod: quota used up"],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_clusters_trouble_is_told_by_its_field(case: Case) -> None:
    cluster = ClusterSeen(
        cluster=seen(CLUSTER), ref=REF, pods=case.pods, conditions=case.conditions
    )
    assert list(cluster_troubles(cluster)) == case.want


DESIRED = Desired(
    cluster_spec={},
    spec_hash="",
    serve_config={"applications": [{"name": "fruit_app"}, {"name": "math_app"}]},
    serve_hash="v1:1",
    strategy=Strategy.NEW_CLUSTER,
)
APP = "spec.serveConfigV2.applications[1]"
TRACEBACK = "Deploying failed:\nTraceback (most recent call last):\n  File x\n{}\n"


def math(
    message: str, status: str = "DEPLOY_FAILED", *deployments: DeploymentReport
) -> ApplicationReport:
    return ApplicationReport("math_app", status, message, deployments)


APPLICATIONS: Mapping[str, tuple[ApplicationReport, list[str]]] = {
    "an application that runs is no trouble": (math("", "RUNNING"), []),
    "a module that is not there": (
        math(TRACEBACK.format("ModuleNotFoundError: No module named 'm'")),
        [
            (
                f"{APP}.import_path: application math_app: DEPLOY_FAILED: "
                "ModuleNotFoundError: No module named 'm'"
            )
        ],
    ),
    "a runtime environment that cannot be made": (
        math("Failed to set up runtime_env: could not download the package"),
        [
            (
                f"{APP}.runtime_env: application math_app: DEPLOY_FAILED: "
                "Failed to set up runtime_env: could not download the package"
            )
        ],
    ),
    "files that cannot be had": (
        math(
            "Runtime env setup for app 'math' failed:\nTraceback (most recent call last):\n"
            '  File "a.py", line 9, in fetch\n    fetch()\n    ^^^^^^^\n'
            "requests.exceptions.ConnectionError: refused\n\n"
        ),
        [
            (
                f"{APP}.runtime_env: application math_app: DEPLOY_FAILED: "
                "requests.exceptions.ConnectionError: refused"
            )
        ],
    ),
    "a constructor that fails, told by the end of a long traceback": (
        math(
            "Failed to update the deployments ['Bad'].",
            "DEPLOY_FAILED",
            DeploymentReport(
                "Bad",
                "DEPLOY_FAILED",
                '^^^^^\n  File "a.py", line 1, in x\nRuntimeError: the model file is missing',
            ),
        ),
        [
            (
                f"{APP}: application math_app: DEPLOY_FAILED: Failed to update the deployments "
                "['Bad'].; deployment Bad: DEPLOY_FAILED: RuntimeError: the model file is missing"
            )
        ],
    ),
    "a deployment that is ill": (
        math("", "UNHEALTHY", DeploymentReport("Adder", "UNHEALTHY", "it died")),
        [f"{APP}: application math_app: UNHEALTHY: deployment Adder: UNHEALTHY: it died"],
    ),
    "Ray says nothing": (
        math(""),
        [f"{APP}: application math_app: DEPLOY_FAILED: Ray says no more"],
    ),
}


@pytest.mark.parametrize(("application", "want"), APPLICATIONS.values(), ids=APPLICATIONS.keys())
def test_an_applications_trouble_is_told_by_its_field(
    application: ApplicationReport, want: list[str]
) -> None:
    report = ServeReport(applications=(application,))
    cluster = ClusterSeen(
        cluster=seen(CLUSTER), ref=REF, ray=RayView(Observation(START, START, report=report))
    )
    assert list(application_troubles(cluster, DESIRED)) == want


def test_a_refusal_names_the_place_and_keeps_rays_words() -> None:
    text = (
        "1 validation error for ServeDeploySchema\napplications.0.deployments.0\n"
        "  Value error, Manually setting num_replicas is not allowed when autoscaling_config is "
        "provided. [type=value_error]"
    )
    told = refusal("spec.serveConfigV2", text)
    assert told.startswith("spec.serveConfigV2.applications[0].deployments[0]: Ray refuses it: ")
    assert "num_replicas is not allowed when autoscaling_config is provided" in told
    assert refusal("spec.serveConfigV2", "no") == "spec.serveConfigV2: Ray refuses it: no"


def test_a_legacy_config_has_its_own_field() -> None:
    legacy = replace(DESIRED, is_legacy=True, serve_field="spec.serveConfig")
    failing = ApplicationReport("default", "DEPLOY_FAILED", "no")
    cluster = ClusterSeen(
        cluster=seen(CLUSTER),
        ref=REF,
        ray=RayView(Observation(START, START, report=ServeReport(applications=(failing,)))),
    )
    (told,) = application_troubles(cluster, legacy)
    assert told.startswith("spec.serveConfig.importPath: application default")
