"""Rules of a RayCluster: each one broken alone is found at its field, and good manifests pass."""

from dataclasses import dataclass

import pytest

from ray_operator.api import gates
from ray_operator.api.raycluster_validation import find_notices, find_problem, read_facts
from ray_operator.operator.documents import JsonObject, JsonValue
from support.builders import a_cluster, a_container, a_group, a_head, a_template

HEAD = "spec.headGroupSpec"
HEAD_RAY = f"{HEAD}.template.spec.containers[0]"
GROUP = "spec.workerGroupSpecs[0]"


@dataclass(frozen=True, slots=True)
class Case:
    """A manifest, the field of its first problem, and words of the message."""

    document: JsonObject
    want: str
    words: str = ""
    gates: frozenset[str] = gates.DEFAULT


def env(**values: str) -> list[JsonValue]:
    """Environment of a container."""
    return [{"name": name, "value": value} for name, value in values.items()]


def head_with(**container: JsonValue) -> JsonObject:
    """A head whose Ray container has further fields."""
    return a_head(a_template(a_container("ray-head", **container)))


def redis(**options: JsonValue) -> JsonObject:
    """Fault tolerance by options."""
    return {"redisAddress": "redis:6379", **options}


def rocksdb(**options: JsonValue) -> JsonObject:
    """Fault tolerance by a volume."""
    return {"backend": "rocksdb", **options}


def collector(**options: JsonValue) -> JsonObject:
    """A collector for a history server."""
    return {"collectorOptions": {"image": "collector:1", **options}}


def without(gate: str) -> frozenset[str]:
    """The default gates without one."""
    return gates.DEFAULT - {gate}


S3 = env(STORAGE_BACKEND="s3", S3_REGION="eu")

BAD: dict[str, Case] = {
    "a name is too long for the names of the children": Case(
        a_cluster("c" * 54),
        "metadata.name",
        "53",
    ),
    "a name starts with a digit": Case(a_cluster("1demo"), "metadata.name", "letter first"),
    "a name has capitals": Case(a_cluster("Demo"), "metadata.name", "lower-case"),
    "the head has no container": Case(
        a_cluster(head={"template": {"spec": {"containers": []}}}),
        f"{HEAD}.template.spec.containers",
        "at least one",
    ),
    "the head has resources twice": Case(
        a_cluster(head=a_head(resources={"CPU": "1"}, rayStartParams={"num-cpus": 2})),
        HEAD,
        "num-cpus",
    ),
    "labels stand among the start parameters": Case(
        a_cluster(head=a_head(rayStartParams={"labels": ""})),
        HEAD,
        "rayStartParams",
    ),
    "all faults of labels are told at once": Case(
        a_cluster(head=a_head(labels={"bad key": "v", "k": "bad value"})),
        HEAD,
        "'bad key': expected letters, digits, '-', '_' and '.', with a letter or digit first "
        "and last; labels value of 'k'",
    ),
    "a label has a bad domain": Case(a_cluster(head=a_head(labels={"/x": "v"})), HEAD, "domain"),
    "a label has no name": Case(a_cluster(head=a_head(labels={"a.b/": "v"})), HEAD, "a name"),
    "a label's value is too long": Case(a_cluster(head=a_head(labels={"k": "v" * 64})), HEAD, "63"),
    "a group has no container": Case(
        a_cluster(groups=[a_group(template={"spec": {}})]),
        f"{GROUP}.template.spec.containers",
    ),
    "a group lacks a bound": Case(
        a_cluster(groups=[a_group(maxReplicas=None)]),
        f"{GROUP}.maxReplicas",
    ),
    "a bound is negative": Case(
        a_cluster(groups=[a_group(minReplicas=-1)]),
        f"{GROUP}.minReplicas",
        "-1",
    ),
    "the bounds are crossed": Case(
        a_cluster(groups=[a_group(minReplicas=3, maxReplicas=2)]),
        f"{GROUP}.minReplicas",
        "at most maxReplicas (2), found 3",
    ),
    "the second group is broken": Case(
        a_cluster(groups=[a_group(), a_group("b", minReplicas=-1)]),
        "spec.workerGroupSpecs[1].minReplicas",
    ),
    "a group has no name": Case(a_cluster(groups=[a_group("")]), f"{GROUP}.groupName"),
    "a group has the head's name": Case(
        a_cluster(groups=[a_group("headgroup")]),
        f"{GROUP}.groupName",
        "head's own",
    ),
    "a group's name is no label": Case(
        a_cluster(groups=[a_group("small group")]),
        f"{GROUP}.groupName",
        "'small group'",
    ),
    "a group's name can't name a network policy": Case(
        a_cluster(groups=[a_group("Small")], networkPolicy={}),
        f"{GROUP}.groupName",
        "NetworkPolicy",
    ),
    "a group's idle time is negative": Case(
        a_cluster(groups=[a_group(idleTimeoutSeconds=-1)]),
        f"{GROUP}.idleTimeoutSeconds",
    ),
    "an idle time a group needs the autoscaler v2": Case(
        a_cluster(groups=[a_group(idleTimeoutSeconds=1)], rayVersion="2.46.0"),
        f"{GROUP}.idleTimeoutSeconds",
        "v2",
    ),
    "a priority needs a new Ray": Case(
        a_cluster(groups=[a_group(priority=1)]),
        f"{GROUP}.priority",
        "2.56.0",
    ),
    "a priority needs the autoscaler v2": Case(
        a_cluster(
            groups=[a_group(priority=1)],
            rayVersion="2.56.0",
            autoscalerOptions={"version": "v1"},
        ),
        f"{GROUP}.priority",
        "v2",
    ),
    "fault tolerance is asked for twice": Case(
        a_cluster(annotations={"ray.io/ft-enabled": "false"}, gcsFaultToleranceOptions=redis()),
        "metadata.annotations[ray.io/ft-enabled]",
        "found both",
    ),
    "the password stands in a parameter beside the options": Case(
        a_cluster(
            head=a_head(rayStartParams={"redis-password": "x"}), gcsFaultToleranceOptions=redis()
        ),
        f"{HEAD}.rayStartParams.redis-password",
    ),
    "the address stands in the environment beside the options": Case(
        a_cluster(head=head_with(env=env(RAY_REDIS_ADDRESS="r")), gcsFaultToleranceOptions=redis()),
        f"{HEAD_RAY}.env[RAY_REDIS_ADDRESS]",
    ),
    "the storage namespace stands in an annotation beside the options": Case(
        a_cluster(
            annotations={"ray.io/external-storage-namespace": "n"}, gcsFaultToleranceOptions=redis()
        ),
        "metadata.annotations[ray.io/external-storage-namespace]",
    ),
    "a volume needs rocksdb": Case(
        a_cluster(gcsFaultToleranceOptions=redis(storage={"size": "1Gi"})),
        "spec.gcsFaultToleranceOptions.storage",
        "rocksdb",
    ),
    "rocksdb needs its gate": Case(
        a_cluster(gcsFaultToleranceOptions=rocksdb()),
        "spec.gcsFaultToleranceOptions.backend",
        "gate",
        without(gates.GCS_FT_EMBEDDED_STORAGE),
    ),
    "rocksdb has no address": Case(
        a_cluster(gcsFaultToleranceOptions=rocksdb(redisAddress="r")),
        "spec.gcsFaultToleranceOptions.redisAddress",
    ),
    "an existing claim has its own size": Case(
        a_cluster(gcsFaultToleranceOptions=rocksdb(storage={"claimName": "c", "size": "1Gi"})),
        "spec.gcsFaultToleranceOptions.storage.size",
    ),
    "rocksdb's path is the operator's": Case(
        a_cluster(
            head=head_with(env=env(RAY_gcs_storage_path="/x")), gcsFaultToleranceOptions=rocksdb()
        ),
        f"{HEAD_RAY}.env[RAY_gcs_storage_path]",
    ),
    "rocksdb's mount is the operator's": Case(
        a_cluster(
            head=head_with(volumeMounts=[{"name": "x", "mountPath": "/data/gcs"}]),
            gcsFaultToleranceOptions=rocksdb(),
        ),
        f"{HEAD_RAY}.volumeMounts",
    ),
    "rocksdb's volume is the operator's": Case(
        a_cluster(
            head=a_head(a_template(volumes=[{"name": "gcs-storage", "emptyDir": {}}])),
            gcsFaultToleranceOptions=rocksdb(),
        ),
        f"{HEAD}.template.spec.volumes",
    ),
    "a user of Redis in a parameter": Case(
        a_cluster(head=a_head(rayStartParams={"redis-username": "u"})),
        f"{HEAD}.rayStartParams.redis-username",
    ),
    "a user of Redis in the environment": Case(
        a_cluster(head=head_with(env=env(REDIS_USERNAME="u"))),
        f"{HEAD_RAY}.env[REDIS_USERNAME]",
    ),
    "a suspended group needs its gate": Case(
        a_cluster(groups=[a_group(suspend=True)]),
        f"{GROUP}.suspend",
        "gate",
        without(gates.RAY_JOB_DELETION_POLICY),
    ),
    "the autoscaler would start a suspended group": Case(
        a_cluster(groups=[a_group(suspend=True)], enableInTreeAutoscaling=True),
        f"{GROUP}.suspend",
        "autoscaler",
    ),
    "autoscaling by environment alone": Case(
        a_cluster(head=head_with(env=env(RAY_enable_autoscaler_v2="1"))),
        f"{HEAD_RAY}.env[RAY_enable_autoscaler_v2]",
    ),
    "the autoscaler's version is given twice": Case(
        a_cluster(
            head=head_with(env=env(RAY_enable_autoscaler_v2="0")),
            enableInTreeAutoscaling=True,
            autoscalerOptions={"version": "v2"},
        ),
        f"{HEAD_RAY}.env[RAY_enable_autoscaler_v2]",
        "found both",
    ),
    "the autoscaler v2 replaces pods itself": Case(
        a_cluster(
            groups=[a_group(template=a_template(restartPolicy="Always"))],
            enableInTreeAutoscaling=True,
            autoscalerOptions={"version": "v2"},
        ),
        f"{GROUP}.template.spec.restartPolicy",
        "found Always",
    ),
    "the autoscaler's idle time is negative": Case(
        a_cluster(autoscalerOptions={"idleTimeoutSeconds": -1}),
        "spec.autoscalerOptions.idleTimeoutSeconds",
    ),
    "the autoscaler's command is the operator's": Case(
        a_cluster(autoscalerOptions={"env": env(KUBERAY_GEN_AUTOSCALER_START_CMD="x")}),
        "spec.autoscalerOptions.env[KUBERAY_GEN_AUTOSCALER_START_CMD]",
    ),
    "a collector needs its gate": Case(
        a_cluster(historyServerOptions=collector(env=S3)),
        "spec.historyServerOptions",
        "gate",
        without(gates.RAY_CLUSTER_HISTORY_SERVER),
    ),
    "a history server needs a collector": Case(
        a_cluster(historyServerOptions={}),
        "spec.historyServerOptions.collectorOptions",
    ),
    "a collector needs an image": Case(
        a_cluster(historyServerOptions=collector(env=S3, image="")),
        "spec.historyServerOptions.collectorOptions.image",
    ),
    "a collector's role is the operator's": Case(
        a_cluster(historyServerOptions=collector(env=[*S3, *env(RAY_ROLE="x")])),
        "spec.historyServerOptions.collectorOptions.env[RAY_ROLE]",
    ),
    "a collector needs to know its storage": Case(
        a_cluster(
            historyServerOptions=collector(env=[{"name": "STORAGE_BACKEND", "valueFrom": {}}])
        ),
        "spec.historyServerOptions.collectorOptions.env[STORAGE_BACKEND]",
    ),
    "a storage needs its settings": Case(
        a_cluster(historyServerOptions=collector(env=env(STORAGE_BACKEND="gcs"))),
        "spec.historyServerOptions.collectorOptions.env[GCS_BUCKET]",
    ),
    "Azure by connection needs the connection": Case(
        a_cluster(
            historyServerOptions=collector(
                env=env(
                    STORAGE_BACKEND="AzureBlob",
                    AZURE_STORAGE_AUTH_MODE=" Connection_String ",
                    AZURE_STORAGE_ACCOUNT_URL="u",
                ),
            ),
        ),
        "spec.historyServerOptions.collectorOptions.env[AZURE_STORAGE_CONNECTION_STRING]",
    ),
    "Azure needs one or the other": Case(
        a_cluster(historyServerOptions=collector(env=env(STORAGE_BACKEND="AzureBlob"))),
        "spec.historyServerOptions.collectorOptions.env[AZURE_STORAGE_CONNECTION_STRING]",
        "AZURE_STORAGE_ACCOUNT_URL",
    ),
    "a container has the collector's name": Case(
        a_cluster(
            groups=[
                a_group(template=a_template(a_container(), a_container("ray-history-collector")))
            ],
            historyServerOptions=collector(env=S3),
        ),
        f"{GROUP}.template.spec.containers[1].name",
    ),
    "tokens need a new Ray": Case(
        a_cluster(authOptions={}, rayVersion="2.51.0"),
        "spec.rayVersion",
        "2.52.0",
    ),
    "Kubernetes' tokens need a newer Ray": Case(
        a_cluster(authOptions={"mode": "token", "enableK8sTokenAuth": True}),
        "spec.rayVersion",
        "2.55.0",
    ),
    "Kubernetes' tokens need no Secret": Case(
        a_cluster(
            authOptions={"enableK8sTokenAuth": True, "secretName": "s"},
            rayVersion="2.55.0",
        ),
        "spec.authOptions.secretName",
    ),
    "Kubernetes' tokens with authentication off": Case(
        a_cluster(authOptions={"mode": "disabled", "enableK8sTokenAuth": True}),
        "spec.authOptions.enableK8sTokenAuth",
    ),
    "isolation needs its gate": Case(
        a_cluster(networkPolicy={}),
        "spec.networkPolicy",
        "gate",
        without(gates.RAY_CLUSTER_NETWORK_POLICY),
    ),
    "rules of a direction that is open": Case(
        a_cluster(networkPolicy={"mode": "DenyAllEgress", "head": {"ingressRules": [{}]}}),
        "spec.networkPolicy.head.ingressRules",
        "DenyAllEgress",
    ),
    "rules of a group for a direction that is open": Case(
        a_cluster(
            groups=[a_group()],
            networkPolicy={
                "mode": "DenyAllIngress",
                "workerGroups": [{"groupName": "small", "egressRules": [{}]}],
            },
        ),
        "spec.networkPolicy.workerGroups[0].egressRules",
    ),
    "rules of a group that isn't there": Case(
        a_cluster(groups=[a_group()], networkPolicy={"workerGroups": [{"groupName": "big"}]}),
        "spec.networkPolicy.workerGroups[0].groupName",
        "'big'",
    ),
    "encryption needs its gate, even switched off": Case(
        a_cluster(tlsOptions={"enabled": False}),
        "spec.tlsOptions",
        "gate",
        without(gates.RAY_CLUSTER_MTLS),
    ),
    "certificates are the operator's": Case(
        a_cluster(head=head_with(env=env(RAY_USE_TLS="1")), tlsOptions={"enabled": True}),
        f"{HEAD_RAY}.env[RAY_USE_TLS]",
    ),
    "certificates are the operator's in the autoscaler too": Case(
        a_cluster(
            autoscalerOptions={"volumeMounts": [{"name": "x", "mountPath": "/etc/ray/tls"}]},
            tlsOptions={"enabled": True},
        ),
        "spec.autoscalerOptions.volumeMounts[0]",
    ),
    "the cluster of a service is replaced by the service": Case(
        a_cluster(
            labels={"ray.io/originated-from-crd": "RayService"},
            upgradeStrategy={"type": "Recreate"},
        ),
        "spec.upgradeStrategy.type",
        "RayService",
    ),
}

GOOD: dict[str, JsonObject] = {
    "the smallest cluster": a_cluster(),
    "the longest name": a_cluster("c" * 53),
    "a spec without a version": a_cluster(rayVersion=""),
    "resources with empty parameters": a_cluster(
        head=a_head(resources={"CPU": "1"}, rayStartParams={"num-cpus": ""}),
    ),
    "labels with a domain": a_cluster(head=a_head(labels={"a.b/c": "", "d": "E_f.1"})),
    "bounds left to the autoscaler": a_cluster(
        groups=[a_group(minReplicas=None, maxReplicas=None)],
        enableInTreeAutoscaling=True,
    ),
    "a group with capitals": a_cluster(groups=[a_group("GPU-Group")]),
    "an idle time with a Ray that runs the autoscaler v2 by itself": a_cluster(
        groups=[a_group(idleTimeoutSeconds=0)],
        enableInTreeAutoscaling=True,
    ),
    "a priority": a_cluster(groups=[a_group(priority=1)], rayVersion="2.56.0"),
    "Redis by options": a_cluster(gcsFaultToleranceOptions=redis(redisPassword={"value": "x"})),
    "Redis by environment alone": a_cluster(head=head_with(env=env(RAY_REDIS_ADDRESS="r"))),
    "Redis by annotation": a_cluster(
        annotations={"ray.io/ft-enabled": "true", "ray.io/external-storage-namespace": "n"},
        head=head_with(env=env(RAY_REDIS_ADDRESS="r", REDIS_PASSWORD="")),
    ),
    "rocksdb on an existing claim": a_cluster(
        gcsFaultToleranceOptions=rocksdb(storage={"claimName": "c"})
    ),
    "a suspended group": a_cluster(groups=[a_group(suspend=True)]),
    "the autoscaler v2 with pods that never restart": a_cluster(
        groups=[a_group(template=a_template(restartPolicy="Never"))],
        enableInTreeAutoscaling=True,
        autoscalerOptions={"version": "v2"},
    ),
    "a collector": a_cluster(historyServerOptions=collector(env=S3)),
    "a collector on another storage": a_cluster(
        historyServerOptions=collector(env=env(STORAGE_BACKEND="tape"))
    ),
    "a collector with a bucket from elsewhere": a_cluster(
        historyServerOptions=collector(
            env=[*env(STORAGE_BACKEND="GCS"), {"name": "GCS_BUCKET", "valueFrom": {"x": {}}}],
        ),
    ),
    "tokens": a_cluster(authOptions={}),
    "authentication switched off on an old Ray": a_cluster(
        authOptions={"mode": "disabled"},
        rayVersion="2.9.0",
    ),
    "Kubernetes' tokens": a_cluster(
        authOptions={"enableK8sTokenAuth": True},
        rayVersion="2.55.0",
    ),
    "isolation with exceptions": a_cluster(
        groups=[a_group()],
        networkPolicy={
            "mode": "DenyAll",
            "head": {"ingressRules": [{}], "egressRules": [{}]},
            "workerGroups": [{"groupName": "small"}],
        },
    ),
    "encryption": a_cluster(tlsOptions={"enabled": True}),
    "a strategy of a plain cluster": a_cluster(upgradeStrategy={"type": "Recreate"}),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_a_broken_rule_is_found_at_its_field(case: Case) -> None:
    problem = find_problem(case.document, case.gates)

    assert problem is not None
    assert problem.field == case.want
    assert case.words in problem.message
    assert problem.part == ("Metadata" if case.want == "metadata.name" else "Spec")


@pytest.mark.parametrize("document", GOOD.values(), ids=GOOD)
def test_a_good_manifest_has_no_problem(document: JsonObject) -> None:
    assert find_problem(document, gates.DEFAULT) is None


def test_a_group_that_is_no_object_counts_in_the_path() -> None:
    document = a_cluster(workerGroupSpecs=[a_group(), "a text instead of a group"])

    problem = find_problem(document, gates.DEFAULT)

    assert problem is not None
    assert problem.field == "spec.workerGroupSpecs[1].template.spec.containers"


@pytest.mark.parametrize(
    "spec",
    [{}, {"headGroupSpec": 3}, {"headGroupSpec": {"template": []}, "workerGroupSpecs": [1, "x"]}],
)
def test_a_document_of_any_shape_has_a_problem_and_no_crash(spec: JsonObject) -> None:
    assert find_problem({"metadata": {"name": "demo"}, "spec": spec}, gates.DEFAULT) is not None
    assert list(find_notices(read_facts({"spec": spec}, gates.DEFAULT))) == []


def reasons(document: JsonObject) -> list[str]:
    return [notice.reason for notice in find_notices(read_facts(document, gates.DEFAULT))]


def test_fault_tolerance_that_nobody_asked_for_is_noticed() -> None:
    by_env = head_with(env=env(RAY_REDIS_ADDRESS="r"))
    asked = {**by_env, "template": _annotated(by_env, {"ray.io/ft-enabled": "True"})}

    assert reasons(a_cluster(head=by_env)) == ["FaultToleranceImplied"]
    assert reasons(a_cluster(head=asked)) == []
    assert reasons(a_cluster(head=by_env, annotations={"ray.io/ft-enabled": "true"})) == []


def _annotated(head: JsonObject, annotations: JsonObject) -> JsonValue:
    template = head["template"]
    assert isinstance(template, dict)
    return {**template, "metadata": {"annotations": annotations}}


def test_two_that_restart_the_same_pods_are_noticed() -> None:
    groups = [a_group("a"), a_group("b", template=a_template(restartPolicy="Never"))]
    document = a_cluster(
        groups=groups,
        enableInTreeAutoscaling=True,
        autoscalerOptions={"version": "v1"},
    )

    assert reasons(document) == ["AutoscalerRestartsPods"]
