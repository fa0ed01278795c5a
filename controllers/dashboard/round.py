"""A round of questions to many pods that ends in time, however many of them are dead."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import TypeVar

from ray_operator.controllers.dashboard.address import PodAddress

T = TypeVar("T")


async def ask_round(
    pods: Iterable[PodAddress], ask: Callable[[PodAddress], Awaitable[T]], within: timedelta
) -> Mapping[PodAddress, T]:
    """Ask all pods beside each other; return the answers that came in time."""
    answers: dict[PodAddress, T] = {}

    async def ask_one(pod: PodAddress) -> None:
        answers[pod] = await ask(pod)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within.total_seconds()), asyncio.TaskGroup() as group:
            for pod in pods:
                group.create_task(ask_one(pod), name=f"round {pod.namespace}/{pod.name}")
    return answers
