"""Events on objects (events.k8s.io/v1), written in the background.

Recording never waits and never fails: events wait in a queue of 1,000; when it is full, the oldest
is dropped and counted.  The same event within 10 minutes becomes a series: its count is patched
instead of a new object made.  An event that the API server refuses is dropped: events inform,
nothing may depend on them.
"""

import asyncio
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from ray_operator.operator import metrics
from ray_operator.operator.clock import Clock
from ray_operator.operator.complaints import Complaints
from ray_operator.operator.documents import JsonObject, format_micro_time
from ray_operator.operator.errors import AlreadyExists, Forbidden, KubeError, NamespaceEnding
from ray_operator.operator.keys import Key, ObjectRef
from ray_operator.operator.kube import Kube
from ray_operator.operator.logs import Logger
from ray_operator.operator.notes import Note, Recorder
from ray_operator.operator.resources import EVENTS

log = Logger(__name__)

QUEUED = 1_000
"""Recorded faster than written for seconds; an unbounded recorder cost 30 MB in a prototype."""

SERIES_LIFE = timedelta(minutes=10)
"""Repeated within this time it is the same event (operator.md §5.3)."""

SERIES_KEPT = 1_000
WRITERS = 4
"""Enough for 800 events a second at 5 ms each; more would compete with the real work."""

NOTE_BYTES = 1_024
NAME_LENGTH = 230
"""An object's name may have 253 characters; the suffix takes 18."""
INSTANCE_LENGTH = 128
DEFAULT_NAMESPACE = "default"
"""Where events about cluster-scoped objects go."""


@dataclass(frozen=True, slots=True)
class _Event:
    controller: str
    regarding: ObjectRef
    note: Note
    at: datetime

    @property
    def likeness(self) -> tuple[str, str, Note]:
        """What two events of one series have in common."""
        return (self.controller, self.regarding.uid or str(self.regarding.key), self.note)


@dataclass(slots=True)
class _Series:
    key: Key
    last: datetime
    count: int = 1


class EventWriter:
    """Queues and writes events for all controllers.

    Args:
        kube: the API server.
        clock: stamps events.
        instance: who reports, the pod's name.
    """

    def __init__(self, kube: Kube, clock: Clock, instance: str) -> None:
        self._kube = kube
        self._clock = clock
        self._instance = instance[:INSTANCE_LENGTH]
        self._queue: deque[_Event] = deque()
        self._ready = asyncio.Event()
        self._series: OrderedDict[object, _Series] = OrderedDict()
        self._writing = 0
        self._complaints = Complaints(clock)
        self._idle = asyncio.Event()
        self._idle.set()

    def recorder(self, controller: str) -> Recorder:
        """Return the recorder of one controller, e.g. `raycluster-controller`."""
        return _Recorder(self, controller)

    def add(self, controller: str, regarding: ObjectRef, note: Note) -> None:
        """Queue an event."""
        if len(self._queue) >= QUEUED:
            self._queue.popleft()
            metrics.EVENTS_DROPPED.inc()
        self._queue.append(_Event(controller, regarding, note, self._clock.now()))
        self._ready.set()
        self._idle.clear()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(WRITERS):
                group.create_task(self._write_all(), name=f"event writer {number}")

    async def flush(self) -> None:
        """Wait until everything that is queued has been written."""
        await self._idle.wait()

    async def _write_all(self) -> None:
        while True:
            while not self._queue:
                self._ready.clear()
                await self._ready.wait()
            event = self._queue.popleft()
            self._writing += 1
            try:
                await self._write(event)
            except KubeError as error:
                self._complain(event, error)
            finally:
                self._writing -= 1
                if not self._queue and not self._writing:
                    self._idle.set()

    def _complain(self, event: _Event, error: KubeError) -> None:
        """A missing right lasts and a person may grant it; the rest passes, or is past helping."""
        is_lasting = isinstance(error, Forbidden) and not isinstance(error, NamespaceEnding)
        if is_lasting and self._complaints.is_due():
            log.warning("events can't be written; what they tell is lost", error=str(error))
        else:
            log.debug("an event was refused", reason=event.note.reason, error=str(error))

    async def _write(self, event: _Event) -> None:
        series = self._series.get(event.likeness)
        if series is not None and event.at - series.last < SERIES_LIFE:
            series.count += 1
            series.last = event.at
            self._series.move_to_end(event.likeness)
            await self._kube.patch(EVENTS, series.key, {"series": _count(series)})
            return
        manifest, key = self._manifest(event)
        # Remembered before the request: its twin may be in another writer's hands already.
        self._series[event.likeness] = _Series(key, event.at)
        while len(self._series) > SERIES_KEPT:
            self._series.popitem(last=False)
        try:
            await self._kube.create(EVENTS, manifest, repeatable=True, wants_all=False)
        except AlreadyExists:
            pass  # the first attempt's answer was lost
        except KubeError:
            self._series.pop(event.likeness, None)
            raise

    def _manifest(self, event: _Event) -> tuple[JsonObject, Key]:
        regarding, note = event.regarding, event.note
        name = f"{regarding.name[:NAME_LENGTH]}.{secrets.token_hex(8)}"
        key = Key(regarding.namespace or DEFAULT_NAMESPACE, name)
        subject = {
            "apiVersion": regarding.api_version,
            "kind": regarding.kind,
            "namespace": regarding.namespace,
            "name": regarding.name,
            "uid": regarding.uid,
            "resourceVersion": regarding.resource_version,
        }
        manifest: JsonObject = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"namespace": key.namespace, "name": key.name},
            "eventTime": format_micro_time(event.at),
            "type": note.type,
            "reason": note.reason,
            "action": note.action,
            "note": _cut(note.message),
            "regarding": {name: value for name, value in subject.items() if value},
            "reportingController": event.controller,
            "reportingInstance": self._instance,
        }
        return manifest, key


class _Recorder:
    def __init__(self, writer: EventWriter, controller: str) -> None:
        self._writer = writer
        self._controller = controller

    def record(self, regarding: ObjectRef, note: Note) -> None:
        self._writer.add(self._controller, regarding, note)


def _count(series: _Series) -> JsonObject:
    return {"count": series.count, "lastObservedTime": format_micro_time(series.last)}


def _cut(message: str) -> str:
    """Keep what the API server accepts, and never half a character."""
    raw = message.encode()
    if len(raw) <= NOTE_BYTES:
        return message
    return raw[: NOTE_BYTES - 3].decode(errors="ignore") + "..."
