"""The states of a RayService, and how one is told from what is seen.

    Running      the usual one: clusters come, serve and go
    Suspending   everything is being deleted, whatever the spec says meanwhile
    Suspended    nothing exists
    TimedOut     it did not become ready in the time that its annotation allows; for good

The conditions in the status are the memory: which state was entered is written before anything is
deleted for it.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from ray_operator.api import annotations, conditions
from ray_operator.api.times import parse_duration
from ray_operator.controllers.rayservice.observed import Observed


class State(StrEnum):
    """What a RayService is about."""

    RUNNING = "Running"
    SUSPENDING = "Suspending"
    SUSPENDED = "Suspended"
    TIMED_OUT = "TimedOut"


def state_of(seen: Observed, now: datetime) -> State:
    """Return the state that this pass is to act in."""
    if _has_timed_out(seen, now):
        return State.TIMED_OUT
    if seen.has(conditions.SUSPENDING):
        return State.SUSPENDING
    if seen.wants_suspend:
        return State.SUSPENDED if seen.has(conditions.SUSPENDED) else State.SUSPENDING
    return State.RUNNING


def is_resumed(seen: Observed) -> bool:
    """Tell whether this pass is the first one after a suspension."""
    return seen.has(conditions.SUSPENDED) and not seen.wants_suspend


def initializing_deadline(seen: Observed) -> datetime | None:
    """Return when the patience of the annotation ends; None if it has none, or it was ready."""
    patience = initializing_timeout(seen)
    since = initializing_since(seen)
    return since + patience if patience and since else None


def initializing_timeout(seen: Observed) -> timedelta | None:
    """Return how long the first cluster may take; None for as long as it likes."""
    return parse_duration(seen.annotations.get(annotations.INITIALIZING_TIMEOUT, "")) or None


def initializing_since(seen: Observed) -> datetime | None:
    """Return since when the service tries to become ready; None if it does not."""
    ready = seen.condition(conditions.READY)
    if ready is None or ready.status != conditions.FALSE or seen.num_serve_endpoints:
        return None
    return ready.since if ready.reason == conditions.INITIALIZING else None


def _has_timed_out(seen: Observed, now: datetime) -> bool:
    ready = seen.condition(conditions.READY)
    if ready is not None and ready.reason == conditions.INITIALIZING_TIMEOUT:
        return True
    deadline = initializing_deadline(seen)
    return deadline is not None and now >= deadline
