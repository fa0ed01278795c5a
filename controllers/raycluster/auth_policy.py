"""The Secret with the cluster's token (raycluster.md 5.10)."""

from datetime import timedelta

from ray_operator.api import names
from ray_operator.controllers.manifests import authentication
from ray_operator.controllers.raycluster.actions import CreateToken
from ray_operator.controllers.raycluster.decision import Plan
from ray_operator.controllers.raycluster.observed import Observed, Presence
from ray_operator.operator.documents import get_text
from ray_operator.operator.notes import Note

_LOOK_AGAIN = timedelta(seconds=10)
"""Secrets are not watched: nothing else tells that a foreign one is gone."""


def makes_secret(seen: Observed) -> bool:
    """Tell whether the token's Secret is ours to make: the user has named none."""
    named = get_text(seen.cluster.auth_options, "secretName")
    return not named and authentication.needs_secret(seen.cluster, seen.policy.build)


def plan_token(seen: Observed) -> Plan:
    """Decide what becomes of the token's Secret.

    A lost one is made anew, but running pods hold the old token: that is drift.
    """
    if not makes_secret(seen):
        return Plan()
    match seen.token:
        case Presence.ABSENT:
            lost = any(not pod.is_terminating for pod in seen.live_pods)
            drift = "the token's Secret was lost and made anew: running pods hold the old token"
            return Plan((CreateToken(),), drift=(drift,) if lost else ())
        case Presence.FOREIGN:
            return Plan(notes=(_conflict(seen),), check_again=_LOOK_AGAIN)
        case Presence.UNKNOWN:
            return Plan(check_again=_LOOK_AGAIN)
        case Presence.OURS:
            return Plan()


def blocks_pods(seen: Observed) -> bool:
    """Tell whether pods must wait, because the token they would read is not theirs."""
    return makes_secret(seen) and seen.token in {Presence.FOREIGN, Presence.UNKNOWN}


def _conflict(seen: Observed) -> Note:
    name = f"{seen.cluster.namespace}/{names.auth_secret(seen.cluster.name)}"
    text = (
        f"Secret {name} exists and does not belong to this cluster; name it in "
        "spec.authOptions.secretName to use it, or remove it"
    )
    return Note("Warning", "FailedToCreateSecret", "Create", text)
