"""Follows one kind in one namespace by a bare watch: what is there, and since when it is ready."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from hack.bench.api import Api, Refused
from ray_operator.operator.documents import JsonObject, get_int, get_object, get_objects, get_text

PAUSE_SECONDS = 0.02
"""Between two looks at a condition: events come in thousands."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One object as last seen. Times are monotonic seconds."""

    labels: JsonObject
    ready_at: float | None


@dataclass(slots=True)
class Tracker:
    """The objects by name, and counts that are cheap to ask for."""

    is_ready: Callable[[JsonObject], bool]
    objects: dict[str, Seen] = field(default_factory=dict)
    ready: int = 0
    on_ready: Callable[[str, Seen], None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _task: "asyncio.Task[None] | None" = None

    async def until(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        """Wait until `condition` holds; return how late it was then (monotonic).

        Raises:
            TimeoutError: it did not hold within `seconds`; says `what` was waited for.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if self._task is not None and self._task.done():
                self._task.result()
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds:.0f} s: {what} {self._state}")
            self._changed.clear()
            try:
                await self._some_change()
            except asyncio.CancelledError:
                print(f"waited for: {what} {self._state}", file=sys.stderr)
                raise
        return time.monotonic()

    @property
    def _state(self) -> str:
        return f"({len(self.objects)} objects, {self.ready} of them ready)"

    async def _some_change(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), 1)
        await asyncio.sleep(PAUSE_SECONDS)

    async def follow(self, api: Api, path: str) -> None:
        """Watch for ever, each time from where the last one ended.

        Raises:
            Refused: the server would not; a version that it has forgotten included.
        """
        version = "0"
        while True:
            async for event in api.watch(path, version):
                change, document = get_text(event, "type"), get_object(event, "object")
                if change == "ERROR":
                    raise Refused(f"watch {path}", get_int(document, "code"), str(document))
                version = get_text(get_object(document, "metadata"), "resourceVersion")
                self.hear(change, document)

    def hear(self, change: str, document: JsonObject) -> None:
        """Take one event of a watch."""
        metadata = get_object(document, "metadata")
        name = get_text(metadata, "name")
        before = self.objects.pop(name, None)
        self.ready -= before is not None and before.ready_at is not None
        if change != "DELETED":
            self._keep(name, before, metadata, is_ready=self.is_ready(document))
        self._changed.set()

    def _keep(
        self, name: str, before: Seen | None, metadata: JsonObject, *, is_ready: bool
    ) -> None:
        since = before.ready_at if before is not None else None
        ready_at = (since or time.monotonic()) if is_ready else None
        now = self.objects[name] = Seen(get_object(metadata, "labels"), ready_at)
        self.ready += is_ready
        if is_ready and since is None and self.on_ready is not None:
            self.on_ready(name, now)


@contextlib.asynccontextmanager
async def following(
    api: Api, path: str, is_ready: Callable[[JsonObject], bool]
) -> AsyncIterator[Tracker]:
    """Follow a collection while the block runs."""
    tracker = Tracker(is_ready)
    task = tracker._task = asyncio.create_task(tracker.follow(api, path), name=f"watch {path}")  # noqa: SLF001
    try:
        yield tracker
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


def pod_is_ready(pod: JsonObject) -> bool:
    """Is it Ready, and to stay?"""
    conditions = get_objects(get_object(pod, "status"), "conditions")
    return not get_text(get_object(pod, "metadata"), "deletionTimestamp") and any(
        get_text(each, "type") == "Ready" and get_text(each, "status") == "True"
        for each in conditions
    )


def cluster_is_ready(cluster: JsonObject) -> bool:
    """Does the RayCluster say that it is ready?"""
    return get_text(get_object(cluster, "status"), "state") == "ready"


def exists(_document: JsonObject) -> bool:
    """For kinds that are as good as they get once they are there."""
    return True
