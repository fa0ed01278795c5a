"""The CRDs on a real API server: accepted whole, and users are told what is wrong, where."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.control_plane import ControlPlane

ROOT = Path(__file__).parents[2]
COMPLETE = ROOT / "test" / "data" / "complete"
FOLDERS = (ROOT / "config" / "samples", ROOT / "test" / "data" / "seeds", COMPLETE)

MANIFESTS = {
    f"{path.parent.name}/{path.name}": path
    for folder in FOLDERS
    for path in sorted(folder.glob("*.yaml"))
    if "\napiVersion: ray.io/" in f"\n{path.read_text(encoding='utf-8')}"
}
KINDS = ("rayclusters", "rayjobs", "rayservices", "raycronjobs")

TEMPLATE = {"spec": {"containers": [{"name": "ray", "image": "rayproject/ray:2.60.0"}]}}
HEAD = {"template": TEMPLATE}
CLUSTER = {"headGroupSpec": HEAD}
GROUP = {"groupName": "small", "template": TEMPLATE}


def a_cluster(version: str = "v1", **spec: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    return an_object("RayCluster", version, **CLUSTER | spec)


def a_service(**spec: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    return an_object("RayService", "v1", **{"rayClusterConfig": CLUSTER} | spec)


def a_job(**spec: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    return an_object("RayJob", "v1", **{"rayClusterSpec": CLUSTER} | spec)


def a_cron_job(**spec: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    job = {"rayClusterSpec": CLUSTER}
    return an_object("RayCronJob", "v1", **{"schedule": "@daily", "jobTemplate": job} | spec)


def an_object(kind: str, version: str, **spec: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    return {
        "apiVersion": f"ray.io/{version}",
        "kind": kind,
        "metadata": {"name": "demo", "namespace": "default"},
        "spec": spec,
    }


@dataclass(frozen=True, slots=True)
class Refused:
    """A manifest, and words of kubectl's complaint."""

    document: dict[str, Any]
    words: str


def apply(plane: ControlPlane, document: dict[str, Any], *arguments: str) -> str:
    return plane.kubectl("apply", "-f", "-", *arguments, stdin=json.dumps(document))


def try_out(plane: ControlPlane, document: dict[str, Any]) -> str:
    """Apply without storing; raise whatever kubectl complains about, warnings included."""
    return apply(plane, document, "--dry-run=server", "--validate=strict", "--warnings-as-errors")


def get(plane: ControlPlane, what: str, name: str = "demo") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(plane.kubectl("get", what, name, "-o", "json"))
    return found


@pytest.fixture
def plane(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The API server; what a test leaves in the namespace `default` is removed."""
    yield control_plane
    control_plane.kubectl("delete", ",".join(KINDS), "--all", "--namespace=default")


@pytest.mark.parametrize("kind", KINDS)
def test_a_crd_is_established_and_structural(control_plane: ControlPlane, kind: str) -> None:
    crd = json.loads(control_plane.kubectl("get", "crd", f"{kind}.ray.io", "-o", "json"))

    conditions = {c["type"]: c["status"] for c in crd["status"]["conditions"]}

    assert conditions == {"NamesAccepted": "True", "Established": "True"}


@pytest.mark.parametrize("path", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_is_applied_under_strict_validation_without_a_warning(
    control_plane: ControlPlane,
    path: Path,
) -> None:
    text = path.read_text(encoding="utf-8")

    assert "(server dry run)" in try_out(control_plane, yaml.safe_load(text))


BAD: dict[str, Refused] = {
    "a typo in a template": Refused(
        a_cluster(headGroupSpec={"template": {"spec": TEMPLATE["spec"] | {"nodeSelectr": {}}}}),
        'unknown field "spec.headGroupSpec.template.spec.nodeSelectr"',
    ),
    "a typo in a container of a worker": Refused(
        a_cluster(
            workerGroupSpecs=[
                GROUP | {"template": {"spec": {"containers": [{"name": "x", "imge": "y"}]}}},
            ],
        ),
        'unknown field "spec.workerGroupSpecs[0].template.spec.containers[0].imge"',
    ),
    "a wrong type in a template": Refused(
        a_cluster(headGroupSpec={"template": {"spec": {"containers": "one"}}}),
        "spec.headGroupSpec.template.spec.containers",
    ),
    "a typo in a field of ours": Refused(
        a_cluster(rayVerson="2"), 'unknown field "spec.rayVerson"'
    ),
    "a typo in a Service": Refused(
        a_service(serveService={"spec": {"tpe": "NodePort"}}),
        'unknown field "spec.serveService.spec.tpe"',
    ),
    "no head": Refused(an_object("RayCluster", "v1"), "spec.headGroupSpec: Required"),
    "no cluster": Refused(an_object("RayService", "v1"), "spec.rayClusterConfig: Required"),
    "two groups of one name": Refused(
        a_cluster(workerGroupSpecs=[GROUP, GROUP]),
        'Duplicate value: {"groupName":"small"}',
    ),
    "bounds that are crossed": Refused(
        a_cluster(workerGroupSpecs=[GROUP | {"minReplicas": 3, "maxReplicas": 2}]),
        "minReplicas must not be greater than maxReplicas",
    ),
    "a controller that nobody knows": Refused(
        a_cluster(managedBy="me"),
        "managedBy must be ray.io/kuberay-operator or kueue.x-k8s.io/multikueue",
    ),
    "a strategy that is none": Refused(
        a_cluster(upgradeStrategy={"type": "Slow"}),
        "spec.upgradeStrategy.type: Unsupported value",
    ),
    "a service's strategy that is none": Refused(
        a_service(upgradeStrategy={"type": "RollingUpdate"}),
        "type must be NewCluster, NewClusterWithIncrementalUpgrade, Recreate or None",
    ),
    "a step beyond the surge": Refused(
        a_service(
            upgradeStrategy={
                "clusterUpgradeOptions": {
                    "maxSurgePercent": 10,
                    "stepSizePercent": 20,
                    "intervalSeconds": 1,
                },
            },
        ),
        "stepSizePercent must not be greater than maxSurgePercent",
    ),
    "a negative delay": Refused(
        a_service(rayClusterDeletionDelaySeconds=-1),
        "spec.rayClusterDeletionDelaySeconds",
    ),
    "an existing claim with a size": Refused(
        a_cluster(
            gcsFaultToleranceOptions={
                "backend": "rocksdb",
                "storage": {"claimName": "c", "size": "1Gi"},
            },
        ),
        "claimName uses an existing claim",
    ),
    "a job without a cluster": Refused(
        an_object("RayJob", "v1", entrypoint="true"),
        "one of rayClusterSpec and clusterSelector is needed",
    ),
    "a selector without the key": Refused(
        a_job(clusterSelector={"a": "b"}),
        "under the key ray.io/cluster",
    ),
    "a job that can't be suspended": Refused(
        a_job(clusterSelector={"ray.io/cluster": "c"}, suspend=True),
        "can't be suspended",
    ),
    "a sidecar on a foreign cluster": Refused(
        a_job(clusterSelector={"ray.io/cluster": "c"}, submissionMode="SidecarMode"),
        "SidecarMode needs a cluster of its own",
    ),
    "retries on a foreign cluster": Refused(
        a_job(clusterSelector={"ray.io/cluster": "c"}, backoffLimit=1),
        "backoffLimit needs a cluster of its own",
    ),
    "retries of a person": Refused(
        a_job(submissionMode="InteractiveMode", backoffLimit=1),
        "where a person submits",
    ),
    "a mode that is none": Refused(
        a_job(submissionMode="Magic"),
        "submissionMode must be K8sJobMode, HTTPMode, InteractiveMode or SidecarMode",
    ),
    "two kinds of deletion": Refused(
        a_job(
            deletionStrategy={
                "onSuccess": {"policy": "DeleteSelf"},
                "onFailure": {"policy": "DeleteSelf"},
                "deletionRules": [{"policy": "DeleteSelf", "condition": {"jobStatus": "FAILED"}}],
            },
        ),
        "either deletionRules, or both onSuccess and onFailure",
    ),
    "half of a deletion": Refused(
        a_job(deletionStrategy={"onSuccess": {"policy": "DeleteSelf"}}),
        "onSuccess and onFailure are needed together",
    ),
    "no deletion at all": Refused(a_job(deletionStrategy={}), "give either deletionRules"),
    "a rule for two ends": Refused(
        a_job(
            deletionStrategy={
                "deletionRules": [
                    {
                        "policy": "DeleteSelf",
                        "condition": {"jobStatus": "FAILED", "jobDeploymentStatus": "Failed"},
                    },
                ],
            },
        ),
        "exactly one of jobStatus and jobDeploymentStatus",
    ),
    "a time zone in a schedule": Refused(
        a_cron_job(schedule="TZ=UTC 0 0 * * *"),
        "the time zone belongs into timeZone",
    ),
    "a bad job in a schedule": Refused(
        a_cron_job(jobTemplate={"entrypoint": "x"}),
        "one of rayClusterSpec and clusterSelector is needed",
    ),
    "a typo in the template of a scheduled job": Refused(
        a_cron_job(jobTemplate={"rayClusterSpec": {"headGroupSpec": {"template": {"spc": {}}}}}),
        'unknown field "spec.jobTemplate.rayClusterSpec.headGroupSpec.template.spc"',
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_a_bad_manifest_is_refused_in_words_that_name_the_field(
    control_plane: ControlPlane,
    case: Refused,
) -> None:
    with pytest.raises(AssertionError) as caught:
        try_out(control_plane, case.document)

    # kubectl quotes the API server's JSON, so quotes are escaped.
    assert case.words in str(caught.value).replace('\\"', '"')


def test_a_thousand_groups_are_admitted(plane: ControlPlane) -> None:
    template = {"spec": {"containers": [{"name": "r"}]}}
    groups = [{"groupName": f"g{number}", "template": template} for number in range(1000)]
    text = json.dumps(a_cluster(workerGroupSpecs=groups))

    # `create`, as `apply` would keep a copy of it all in an annotation.
    plane.kubectl("create", "-f", "-", stdin=text)

    assert len(get(plane, "rayclusters")["spec"]["workerGroupSpecs"]) == 1000


def test_the_autoscaler_finds_the_bounds_that_the_user_left_out(plane: ControlPlane) -> None:
    apply(plane, a_cluster("v1alpha1", workerGroupSpecs=[GROUP | {"replicas": 1}]))

    (group,) = get(plane, "rayclusters")["spec"]["workerGroupSpecs"]

    assert {k: v for k, v in group.items() if isinstance(v, int)} == {
        "replicas": 1,
        "minReplicas": 0,
        "maxReplicas": 2147483647,
        "numOfHosts": 1,
        "priority": 0,
    }


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            {"managedBy": "kueue.x-k8s.io/multikueue"},
            {"managedBy": "ray.io/kuberay-operator"},
            "managedBy can't be changed",
        ),
        (
            {"gcsFaultToleranceOptions": {"backend": "redis"}},
            {"gcsFaultToleranceOptions": {"backend": "rocksdb"}},
            "backend can't be changed",
        ),
    ],
)
def test_what_cannot_be_changed_is_refused(
    plane: ControlPlane,
    before: dict[str, Any],
    after: dict[str, Any],
    words: str,
) -> None:
    apply(plane, a_cluster(**before))

    with pytest.raises(AssertionError, match=words):
        apply(plane, a_cluster(**after))


def test_a_typo_in_an_open_template_leaves_its_traces_in_the_metadata_alone(
    plane: ControlPlane,
) -> None:
    """The API server prunes by the stored version when it writes: no version shows it any more.

    Traces are managedFields, but for items of lists, and kubectl's copy of what was applied.
    """
    containers = [{"name": "ray", "image": "rayproject/ray:2.60.0", "imge": "typo"}]
    template = {"spec": {"containers": containers, "nodeSelectr": {"a": "b"}}}
    apply(plane, a_cluster("v1alpha1", headGroupSpec={"template": template}))

    found = json.loads(
        plane.kubectl(
            *("get", "rayclusters.v1alpha1.ray.io", "demo", "-o", "json"),
            "--show-managed-fields",
        ),
    )

    assert found["spec"]["headGroupSpec"]["template"] == TEMPLATE
    (entry,) = found["metadata"]["managedFields"]
    owned = entry["fieldsV1"]["f:spec"]["f:headGroupSpec"]["f:template"]["f:spec"]
    assert entry["apiVersion"] == "ray.io/v1alpha1"
    assert set(owned) == {".", "f:containers", "f:nodeSelectr"}
    copy = found["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert "imge" in copy


def test_free_forms_are_stored_as_they_are_written(plane: ControlPlane) -> None:
    config = {"applications": [{"name": "a", "importPath": "m:app", "args": {"deep": [1, None]}}]}
    apply(plane, a_service(serveConfigV2=config))
    apply(plane, a_job(runtimeEnv={"workingDir": "s3://b"}, output={"uri": "s3://o"}))

    assert get(plane, "rayservices")["spec"]["serveConfigV2"] == config
    job = get(plane, "rayjobs")["spec"]
    assert (job["runtimeEnv"], job["output"]) == ({"workingDir": "s3://b"}, {"uri": "s3://o"})


def test_start_parameters_may_be_text_numbers_or_booleans(plane: ControlPlane) -> None:
    params = {"num-cpus": 2, "block": True, "ratio": 0.5, "port": "6379"}
    apply(plane, a_cluster(headGroupSpec=HEAD | {"rayStartParams": params}))

    assert get(plane, "rayclusters")["spec"]["headGroupSpec"]["rayStartParams"] == params


def test_the_status_of_the_seeds_is_stored_whole(plane: ControlPlane) -> None:
    times = {
        "healthLastUpdateTime": "2022-07-18T21:54:53Z",
        "lastUpdateTime": "2022-07-18T21:54:54Z",
    }
    deployment = times | {"status": "UPDATING", "message": ""}
    status = {
        "activeServiceStatus": {
            "rayClusterName": "a",
            "applicationStatuses": {
                "fruit_app": times
                | {
                    "status": "RUNNING",
                    "serveDeploymentStatuses": {"fruit_app_DAGDriver": deployment},
                },
            },
            "serveDeploymentStatuses": [deployment | {"name": "MangoStand"}],
        },
        "pendingServiceStatus": {
            "appStatus": {},
            "dashboardStatus": times,
            "rayClusterName": "rayservice-sample-raycluster-bshfr",
            "rayClusterStatus": {},
        },
        "numServeEndpoints": 0,
    }
    apply(plane, a_service())

    plane.kubectl(
        *("patch", "rayservice", "demo", "--subresource=status", "--type=merge"),
        f"--patch={json.dumps({'status': status})}",
    )

    assert get(plane, "rayservices")["status"] == status


def test_kubectl_get_shows_the_columns_of_the_pages(plane: ControlPlane) -> None:
    apply(plane, a_cluster())
    apply(plane, a_service())
    apply(plane, a_job())
    apply(plane, a_cron_job())

    headers = {kind: plane.kubectl("get", kind).splitlines()[0] for kind in KINDS}

    assert {kind: " ".join(header.split()) for kind, header in headers.items()} == {
        "rayclusters": "NAME DESIRED WORKERS AVAILABLE WORKERS CPUS MEMORY GPUS STATUS AGE",
        "rayservices": "NAME SERVICE STATUS NUM SERVE ENDPOINTS AGE",
        "rayjobs": "NAME JOB STATUS DEPLOYMENT STATUS RAY CLUSTER NAME START TIME END TIME AGE",
        "raycronjobs": "NAME SCHEDULE TIMEZONE LAST SCHEDULE AGE SUSPEND",
    }
    assert "raycluster.ray.io/demo" in plane.kubectl("get", "all")


def test_kubectl_explains_our_fields(plane: ControlPlane) -> None:
    explained = plane.kubectl("explain", "rayservice.spec.serveConfigV2")

    assert "YAML text or as an object" in explained


def test_a_manifest_of_the_complete_kinds_is_stored_without_loss(plane: ControlPlane) -> None:
    for path in sorted(COMPLETE.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        apply(plane, document)

        kind = document["kind"].lower()
        stored = get(plane, kind, "complete")["spec"]

        assert missing_paths(document["spec"], stored) == []


def missing_paths(written: Any, stored: Any, path: str = "spec") -> list[str]:  # noqa: ANN401
    """List what was written and is not stored; nulls are dropped on purpose."""
    if isinstance(written, dict) and isinstance(stored, dict):
        given = {key: value for key, value in written.items() if value is not None}
        return [
            lost
            for key, value in given.items()
            for lost in missing_paths(value, stored.get(key), f"{path}.{key}")
        ]
    if isinstance(written, list) and isinstance(stored, list) and len(written) == len(stored):
        pairs = enumerate(zip(written, stored, strict=True))
        return [lost for i, (w, s) in pairs for lost in missing_paths(w, s, f"{path}[{i}]")]
    return [] if written == stored else [path]


def test_the_crds_that_are_applied_again_are_unchanged(control_plane: ControlPlane) -> None:
    """`kubectl apply` twice is the upgrade of those who install from manifests."""
    done = control_plane.kubectl("apply", "-k", str(ROOT / "config" / "crd"))

    assert done.count("unchanged") == len(KINDS)
