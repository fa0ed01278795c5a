"""What a controller is given: the machinery, ready to use."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from ray_operator.operator.clock import Clock
from ray_operator.operator.executor import Executor
from ray_operator.operator.expectations import Expectations
from ray_operator.operator.kube import Kube
from ray_operator.operator.notes import Recorder
from ray_operator.operator.settings import Settings
from ray_operator.operator.statuses import StatusWriter


@dataclass(frozen=True, slots=True)
class Parts:
    """The machinery of one process.

    `recorder("raycluster-controller")` returns where that controller's events go.
    `start_background("dashboards", run)` keeps `run` running from the moment at which the caches
    are filled; it is restarted if it fails, and cancelled at the stop.
    `previous_renewal` returns when any operator was last at work before this one; `None` is never.
    """

    kube: Kube
    clock: Clock
    settings: Settings
    executor: Executor
    expectations: Expectations
    statuses: StatusWriter
    recorder: Callable[[str], Recorder]
    start_background: Callable[[str, Callable[[], Awaitable[None]]], None]
    previous_renewal: Callable[[], datetime | None]
