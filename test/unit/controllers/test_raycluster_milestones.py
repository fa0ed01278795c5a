from datetime import UTC, datetime, timedelta

import pytest

from ray_operator.controllers.raycluster.milestones import time_to_ready
from ray_operator.operator.documents import JsonObject

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
NOW = CREATED + timedelta(seconds=42)
READY: JsonObject = {"stateTransitionTimes": {"ready": "2026-01-01T00:00:42Z"}}
SUSPENDED: JsonObject = {"stateTransitionTimes": {"suspended": "2026-01-01T00:00:01Z"}}
BOTH: JsonObject = {
    "stateTransitionTimes": {"suspended": "2026-01-01T00:00:01Z", "ready": "2026-01-01T00:00:42Z"}
}


def test_the_first_write_that_says_ready_tells_the_time_since_the_creation() -> None:
    assert time_to_ready(CREATED, {}, READY, NOW) == timedelta(seconds=42)


@pytest.mark.parametrize(
    ("created", "before", "after"),
    [
        pytest.param(CREATED, {}, {}, id="pods that are coming up"),
        pytest.param(CREATED, READY, READY, id="a cluster that was ready before, or a restart"),
        pytest.param(CREATED, SUSPENDED, BOTH, id="a cluster that was suspended until now"),
        pytest.param(None, {}, READY, id="an object without a time of creation"),
    ],
)
def test_nothing_is_told_of(
    created: datetime | None, before: JsonObject, after: JsonObject
) -> None:
    assert time_to_ready(created, before, after, NOW) is None
