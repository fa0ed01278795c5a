"""Rules of a RayService: each one broken alone is found at its field, and good manifests pass."""

from dataclasses import dataclass

import pytest

from ray_operator.api import gates
from ray_operator.api.rayservice_validation import INCREMENTAL, find_notices, find_problem
from ray_operator.operator.documents import JsonObject, JsonValue, get_object
from support.builders import a_cluster, a_group, a_head

CLUSTER = "spec.rayClusterConfig"
OPTIONS = "spec.upgradeStrategy.clusterUpgradeOptions"


@dataclass(frozen=True, slots=True)
class Case:
    """A manifest, the field of its first problem, and words of the message."""

    document: JsonObject
    want: str
    words: str = ""
    gates: frozenset[str] = gates.DEFAULT


def a_service(
    name: str = "demo",
    cluster: JsonObject | None = None,
    annotations: JsonObject | None = None,
    **spec: JsonValue,
) -> JsonObject:
    """A RayService; further keywords are fields of its spec."""
    config = get_object(cluster or a_cluster(), "spec")
    return {
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {"rayClusterConfig": config, "serveConfigV2": "applications: []", **spec},
    }


def incremental(**options: JsonValue) -> JsonObject:
    """A service that is upgraded step by step."""
    given = {"maxSurgePercent": 50, "stepSizePercent": 10, "intervalSeconds": 5, **options}
    return a_service(
        cluster=a_cluster(enableInTreeAutoscaling=True),
        upgradeStrategy={"type": INCREMENTAL, "clusterUpgradeOptions": given},
    )


BAD: dict[str, Case] = {
    "a name is too long for the names of the clusters": Case(
        a_service("s" * 48),
        "metadata.name",
        "47",
    ),
    "a name starts with a digit": Case(a_service("1"), "metadata.name"),
    "a timeout that is none": Case(
        a_service(annotations={"ray.io/initializing-timeout": "soon"}),
        "metadata.annotations[ray.io/initializing-timeout]",
        "'soon'",
    ),
    "a timeout of nothing": Case(
        a_service(annotations={"ray.io/initializing-timeout": "0s"}),
        "metadata.annotations[ray.io/initializing-timeout]",
    ),
    "Kubernetes' tokens": Case(
        a_service(
            cluster=a_cluster(authOptions={"enableK8sTokenAuth": True}, rayVersion="2.55.0"),
        ),
        f"{CLUSTER}.authOptions.enableK8sTokenAuth",
    ),
    "a broken rule of the cluster": Case(
        a_service(cluster=a_cluster(groups=[a_group(minReplicas=-1)])),
        f"{CLUSTER}.workerGroupSpecs[0].minReplicas",
    ),
    "a rule of the cluster about the service's annotations": Case(
        a_service(
            cluster=a_cluster(gcsFaultToleranceOptions={}),
            annotations={"ray.io/ft-enabled": "true"},
        ),
        "metadata.annotations[ray.io/ft-enabled]",
    ),
    "one name for the Services of all clusters": Case(
        a_service(cluster=a_cluster(head=a_head(headService={"metadata": {"name": "mine"}}))),
        f"{CLUSTER}.headGroupSpec.headService.metadata.name",
        "'mine'",
    ),
    "a strategy that is none": Case(
        a_service(upgradeStrategy={"type": "BlueGreen"}),
        "spec.upgradeStrategy.type",
        "'BlueGreen'",
    ),
    "a negative delay": Case(
        a_service(rayClusterDeletionDelaySeconds=-1),
        "spec.rayClusterDeletionDelaySeconds",
    ),
    "steps without their pace": Case(
        a_service(upgradeStrategy={"type": INCREMENTAL}),
        OPTIONS,
    ),
    "a surge of nothing": Case(incremental(maxSurgePercent=0), f"{OPTIONS}.maxSurgePercent", "0"),
    "a surge of more than all": Case(
        incremental(maxSurgePercent=101), f"{OPTIONS}.maxSurgePercent"
    ),
    "a step beyond the surge": Case(
        incremental(stepSizePercent=60),
        f"{OPTIONS}.stepSizePercent",
        "(50)",
    ),
    "no step": Case(incremental(stepSizePercent=None), f"{OPTIONS}.stepSizePercent", "nothing"),
    "no pause between steps": Case(incremental(intervalSeconds=0), f"{OPTIONS}.intervalSeconds"),
    "steps without autoscaling": Case(
        a_service(
            upgradeStrategy={
                "type": INCREMENTAL,
                "clusterUpgradeOptions": {"stepSizePercent": 1, "intervalSeconds": 1},
            },
        ),
        f"{CLUSTER}.enableInTreeAutoscaling",
    ),
    "a config that is no YAML": Case(
        a_service(serveConfigV2="a: ]"),
        "spec.serveConfigV2",
        "line 1, column 4",
    ),
    "two configs": Case(a_service(serveConfig={"importPath": "a:b"}), "spec.serveConfig"),
}

GOOD: dict[str, tuple[JsonObject, frozenset[str]]] = {
    "the smallest service": (a_service(), gates.DEFAULT),
    "the longest name": (a_service("s" * 47), gates.DEFAULT),
    "no applications": (a_service(serveConfigV2=""), gates.DEFAULT),
    "a timeout": (a_service(annotations={"ray.io/initializing-timeout": "1h30m"}), gates.DEFAULT),
    "a timeout in seconds": (
        a_service(annotations={"ray.io/initializing-timeout": "90"}),
        gates.DEFAULT,
    ),
    "a strategy": (a_service(upgradeStrategy={"type": "None"}), gates.DEFAULT),
    "steps": (incremental(), gates.DEFAULT),
    "steps with their gate off": (
        a_service(upgradeStrategy={"type": INCREMENTAL}),
        gates.DEFAULT - {gates.RAY_SERVICE_INCREMENTAL_UPGRADE},
    ),
    "a strategy of the cluster, which is ignored": (
        a_service(cluster=a_cluster(upgradeStrategy={"type": "Recreate"})),
        gates.DEFAULT,
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_a_broken_rule_is_found_at_its_field(case: Case) -> None:
    problem = find_problem(case.document, case.gates)

    assert problem is not None
    assert problem.field == case.want
    assert case.words in problem.message


@pytest.mark.parametrize(("document", "enabled"), GOOD.values(), ids=GOOD)
def test_a_good_manifest_has_no_problem(document: JsonObject, enabled: frozenset[str]) -> None:
    assert find_problem(document, enabled) is None


def test_a_broken_annotation_is_a_problem_of_the_metadata() -> None:
    document = a_service(annotations={"ray.io/initializing-timeout": "-1"})
    problem = find_problem(document, gates.DEFAULT)

    assert problem is not None
    assert problem.part == "Metadata"
    assert str(problem).startswith("metadata.annotations[ray.io/initializing-timeout]: expected")
    assert problem.as_error().field == problem.field


def test_fields_that_would_stop_the_cluster_are_ignored_and_noticed() -> None:
    cluster = a_cluster(managedBy="x", idle={"suspendAfterSeconds": 1})

    notices = list(find_notices(a_service(cluster=cluster), gates.DEFAULT))

    assert [n.reason for n in notices] == ["IgnoredClusterField"] * 2
    assert "spec.rayClusterConfig.managedBy" in notices[0].message


@pytest.mark.parametrize("spec", [{}, {"rayClusterConfig": []}, {"upgradeStrategy": 3}])
def test_a_document_of_any_shape_has_a_problem_and_no_crash(spec: JsonObject) -> None:
    document: JsonObject = {"metadata": {"name": "demo"}, "spec": spec}

    assert find_problem(document, gates.DEFAULT) is not None
    assert list(find_notices(document, gates.DEFAULT)) == []
