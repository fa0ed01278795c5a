"""What a status write of a RayService means for the metrics: pure.

A milestone is told by the process that wrote it down, at the moment of the write: so a restart
tells nothing twice, and what an earlier operator wrote is not told at all.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ray_operator.api import conditions as c
from ray_operator.controllers.rayservice.desired import Desired, Strategy
from ray_operator.controllers.rayservice.observed import Names, Observed
from ray_operator.controllers.rayservice.plan import Plan
from ray_operator.controllers.rayservice.status import Report

UNKNOWN_STRATEGY = "Unknown"
"""The spec was made invalid during the upgrade."""

STRATEGIES = (*Strategy, UNKNOWN_STRATEGY)


class Ending(StrEnum):
    """How an upgrade ended."""

    SWITCHED = "switched"
    SUPERSEDED = "superseded"
    """A newer spec made the new cluster give way to one more."""
    ABANDONED = "abandoned"
    """The spec is again what the old cluster was built from, or the service was suspended."""


@dataclass(frozen=True, slots=True)
class Milestones:
    """What this write says for the first time; `None` for what it does not."""

    ready_after: timedelta | None = None
    switched_after: timedelta | None = None
    upgrade: Ending | None = None
    strategy: str = UNKNOWN_STRATEGY


def milestones(seen: Observed, plan: Plan, told: Report, now: datetime) -> Milestones:
    """Compare what was seen with what was written: the names of the clusters, and readiness."""
    return Milestones(
        ready_after=_ready_after(seen, told, now),
        switched_after=_switched_after(seen, plan.names, now),
        upgrade=_upgrade(seen, plan.names),
        strategy=seen.desired.strategy if isinstance(seen.desired, Desired) else UNKNOWN_STRATEGY,
    )


def _ready_after(seen: Observed, told: Report, now: datetime) -> timedelta | None:
    """A service that was once suspended tells nothing: the wait was wanted."""
    if not told.says_ready or seen.was_ready or seen.condition(c.SUSPENDED) is not None:
        return None
    return now - seen.created if seen.created else None


def _is_promoted(seen: Observed, names: Names) -> bool:
    return bool(seen.names.pending) and names.active == seen.names.pending


def _switched_after(seen: Observed, names: Names, now: datetime) -> timedelta | None:
    if not _is_promoted(seen, names) or seen.pending is None:
        return None
    return now - seen.pending.created if seen.pending.created else None


def _upgrade(seen: Observed, names: Names) -> Ending | None:
    """The first cluster of a service is no upgrade."""
    is_first = not seen.names.active and not seen.was_ready
    if is_first or not seen.names.pending or names.pending == seen.names.pending:
        return None
    if _is_promoted(seen, names):
        return Ending.SWITCHED
    return Ending.SUPERSEDED if names.pending else Ending.ABANDONED
