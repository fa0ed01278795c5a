"""Rules about Ray's autoscaler, and about suspended groups, which it can't handle."""

from ray_operator.api.gates import RAY_JOB_DELETION_POLICY
from ray_operator.api.problems import Problem, Problems
from ray_operator.api.raycluster_facts import AUTOSCALER_V2_ENV, ClusterFacts, env_by_name
from ray_operator.api.values import get_int_or_none
from ray_operator.operator.documents import get_text

START_COMMAND_ENV = "KUBERAY_GEN_AUTOSCALER_START_CMD"
"""Holds the generated command; set by the operator."""
NEVER = "Never"


def find_autoscaler_problems(cluster: ClusterFacts) -> Problems:
    """Check the autoscaler's options against the rest of the spec."""
    yield from _find_gated_suspension(cluster)
    if cluster.is_autoscaled:
        yield from _find_suspended_groups(cluster)
        yield from _find_version_problems(cluster)
    elif cluster.enables_autoscaler_v2_by_env:
        yield Problem(
            _env_field(cluster),
            "expected enableInTreeAutoscaling: true with it, found autoscaling off",
        )
    yield from _find_option_problems(cluster)


def _find_gated_suspension(cluster: ClusterFacts) -> Problems:
    if cluster.is_on(RAY_JOB_DELETION_POLICY):
        return
    for group in cluster.workers:
        if group.is_suspended:
            yield Problem(
                f"{group.path}.suspend",
                f"suspending one group needs the gate {RAY_JOB_DELETION_POLICY}",
            )


def _find_suspended_groups(cluster: ClusterFacts) -> Problems:
    for group in cluster.workers:
        if group.is_suspended:
            yield Problem(
                f"{group.path}.suspend",
                "expected no suspended group with enableInTreeAutoscaling: the autoscaler would "
                "start its pods again",
            )


def _find_version_problems(cluster: ClusterFacts) -> Problems:
    version = get_text(cluster.autoscaler, "version")
    if version and AUTOSCALER_V2_ENV in cluster.head.env:
        yield Problem(
            _env_field(cluster),
            f"expected this or autoscalerOptions.version ({version}), found both",
        )
    if version != "v2":
        return
    for group in cluster.groups:
        if group.restart_policy not in {"", NEVER}:
            yield Problem(
                f"{group.pod_path}.restartPolicy",
                "expected Never (or nothing) with the autoscaler v2, which replaces pods itself, "
                f"found {group.restart_policy}",
            )


def _find_option_problems(cluster: ClusterFacts) -> Problems:
    field = f"{cluster.path}.autoscalerOptions"
    seconds = get_int_or_none(cluster.autoscaler, "idleTimeoutSeconds")
    if seconds is not None and seconds < 0:
        yield Problem(
            f"{field}.idleTimeoutSeconds",
            f"expected 0 or more seconds, found {seconds}",
        )
    if START_COMMAND_ENV in env_by_name(cluster.autoscaler):
        yield Problem(
            f"{field}.env[{START_COMMAND_ENV}]",
            "is set by the operator, found it in the manifest",
        )


def _env_field(cluster: ClusterFacts) -> str:
    return f"{cluster.head.ray_container_path}.env[{AUTOSCALER_V2_ENV}]"
