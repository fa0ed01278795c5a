"""What a RayCluster must keep beyond its schema.

One rule a function, one line a rule, in the order of importance; the first problem is reported.
What needs the cluster (is cert-manager there? does another cluster use the same storage?) is left
to the controllers.
"""

from collections.abc import Callable, Iterator

from ray_operator.api import annotations as annotation_keys
from ray_operator.api import labels as label_keys
from ray_operator.api.autoscaler_rules import NEVER, find_autoscaler_problems
from ray_operator.api.fault_tolerance_rules import find_fault_tolerance_problems
from ray_operator.api.group_rules import find_head_problems, find_worker_problems
from ray_operator.api.history_rules import find_history_problems
from ray_operator.api.kinds import RAY_CLUSTER, RAY_JOB, RAY_SERVICE
from ray_operator.api.metadata_rules import find_name_problems
from ray_operator.api.problems import Notice, Problem, Problems
from ray_operator.api.raycluster_facts import REDIS_ADDRESS_ENV, ClusterFacts
from ray_operator.api.security_rules import (
    find_auth_problems,
    find_network_problems,
    find_tls_problems,
)
from ray_operator.operator.documents import JsonObject, get_object, get_text, get_texts

FAULT_TOLERANCE_IMPLIED = "FaultToleranceImplied"
AUTOSCALER_RESTARTS_PODS = "AutoscalerRestartsPods"

Rule = Callable[[ClusterFacts], Problems]


def find_problem(document: JsonObject, gates: frozenset[str]) -> Problem | None:
    """Return the first problem of a RayCluster, or `None`.

    Args:
        document: the object as the API server keeps it.
        gates: the names of the feature gates that are on.
    """
    named = next(find_name_problems(document, RAY_CLUSTER), None)
    return named or find_spec_problem(read_facts(document, gates))


def find_spec_problem(cluster: ClusterFacts) -> Problem | None:
    """Return the first problem of a RayClusterSpec, wherever it stands."""
    return next((problem for rule in SPEC_RULES for problem in rule(cluster)), None)


def find_notices(cluster: ClusterFacts) -> Iterator[Notice]:
    """Yield what a RayClusterSpec does that its author may not have meant."""
    if REDIS_ADDRESS_ENV in cluster.head.env and not cluster.has_fault_tolerance_switch:
        yield Notice(
            FAULT_TOLERANCE_IMPLIED,
            f"{cluster.head.ray_container_path}.env[{REDIS_ADDRESS_ENV}] turns fault tolerance on; "
            f"say so with the annotation {annotation_keys.FT_ENABLED} or gcsFaultToleranceOptions",
        )
    if cluster.is_autoscaled and get_text(cluster.autoscaler, "version") == "v1":
        groups = [g.name for g in cluster.workers if g.restart_policy != NEVER]
        if groups:
            yield Notice(
                AUTOSCALER_RESTARTS_PODS,
                "the autoscaler v1 and the kubelet may both restart a worker; set restartPolicy: "
                f"Never in the templates of {', '.join(groups)}",
            )


def read_facts(document: JsonObject, gates: frozenset[str]) -> ClusterFacts:
    """Return the facts of a RayCluster."""
    metadata = get_object(document, "metadata")
    return ClusterFacts(
        get_object(document, "spec"),
        annotations=get_texts(metadata, "annotations"),
        labels=get_texts(metadata, "labels"),
        gates=gates,
    )


def _find_strategy_problems(cluster: ClusterFacts) -> Problems:
    owner = cluster.labels.get(label_keys.ORIGINATED_FROM_CRD)
    if owner not in {RAY_JOB.name, RAY_SERVICE.name}:
        return
    if get_text(get_object(cluster.spec, "upgradeStrategy"), "type"):
        yield Problem(
            f"{cluster.path}.upgradeStrategy.type",
            f"expected none for the cluster of a {owner}, which replaces it as a whole",
        )


SPEC_RULES: tuple[Rule, ...] = (
    find_head_problems,
    find_worker_problems,
    find_fault_tolerance_problems,
    find_autoscaler_problems,
    find_history_problems,
    find_auth_problems,
    find_network_problems,
    find_tls_problems,
    _find_strategy_problems,
)
