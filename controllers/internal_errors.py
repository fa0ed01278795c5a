"""A bug of ours shows on the object that brings it out: condition and event, never silence.

Whatever a reconcile raises is logged, counted and retried with back-off by the controller, and a
KubeError stands in the object's own conditions already.  What is none of ours (an exception that
nobody foresaw) is told here: it names the exception, where it arose, and the line of the log.

    InternalError=True    reason: the exception; message: where, what it says, the reconcile_id

It goes with the first pass that succeeds.
"""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ray_operator.api import conditions
from ray_operator.api.conditions import Condition, remove_condition, set_condition
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator.clock import Clock
from ray_operator.operator.controller import Reconciler, Result
from ray_operator.operator.errors import Conflict, KubeError, NotFound, RayOperatorError
from ray_operator.operator.keys import Key
from ray_operator.operator.logs import Logger, context_field
from ray_operator.operator.notes import Note, Recorder
from ray_operator.operator.resources import Resource
from ray_operator.operator.statuses import CATCH_UP, StatusWriter

log = Logger(__name__)

INTERNAL_ERROR = "InternalError"
_LONGEST_TEXT = 300
"""Characters of what an exception says of itself; some quote whole documents."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Where the objects of one kind are found and told of."""

    resource: Resource
    look_up: Callable[[Key], ResourceView | None]
    statuses: StatusWriter
    recorder: Recorder
    clock: Clock


@dataclass(frozen=True, slots=True)
class Guarded:
    """A reconciler whose bugs are told on the object; what it raises goes on to the controller."""

    reconciler: Reconciler
    teller: Teller

    async def reconcile(self, key: Key) -> Result:
        """See `Reconciler.reconcile`."""
        try:
            result = await self.reconciler.reconcile(key)
        except Exception as error:
            bug = next(_bugs(error), None)
            if bug is not None:
                await self._tell(key, bug)
            raise
        return await self._take_back(key, result)

    async def _tell(self, key: Key, bug: Exception) -> None:
        view = self.teller.look_up(key)
        if view is None:
            return
        place = f"{type(bug).__name__} at {_place(bug)}"
        known = view.condition(INTERNAL_ERROR)
        if known is not None and known.message.startswith(place):
            return  # its reference still leads to the first line of the log
        text = f"{place}: {_said(bug)} — a bug of the operator, whose log tells more: {_line()}"
        note = Note("Warning", INTERNAL_ERROR, "Reconcile", text)
        self.teller.recorder.record(view.ref, note)
        wanted = Condition(
            INTERNAL_ERROR,
            conditions.TRUE,
            type(bug).__name__,
            text,
            observed_generation=view.generation,
        )
        standing = set_condition(view.conditions(), wanted, self.teller.clock.now())
        try:
            await self._write(view, standing)
        except KubeError as error:
            log.warning("the condition InternalError can't be written", error=str(error))

    async def _take_back(self, key: Key, result: Result) -> Result:
        view = self.teller.look_up(key)
        if view is None or not view.claims(INTERNAL_ERROR):
            return result
        try:
            await self._write(view, remove_condition(view.conditions(), INTERNAL_ERROR))
        except NotFound:
            return result
        except Conflict:  # the pass wrote a status that the cache doesn't show yet
            return replace(result, check_again=CATCH_UP)
        return result

    async def _write(self, view: ResourceView, standing: tuple[Condition, ...]) -> None:
        """Write upon what was read only: the conditions are replaced as a whole."""
        desired = {"conditions": [condition.as_json() for condition in standing] or None}
        teller = self.teller
        await teller.statuses.write(teller.resource, view, view.status(), desired, transition=True)


def _bugs(error: Exception) -> Iterator[Exception]:
    """Yield what nobody foresaw among the causes of a failure."""
    if isinstance(error, ExceptionGroup):
        for member in error.exceptions:
            yield from _bugs(member)
    elif not isinstance(error, RayOperatorError):
        yield error


def _place(bug: Exception) -> str:
    """Return where an exception was raised: it holds still while the bug does."""
    frames = traceback.extract_tb(bug.__traceback__)
    if not frames:
        return "an unknown place"
    last = frames[-1]
    return f"{'/'.join(last.filename.split('/')[-3:])}:{last.lineno}"


def _said(bug: Exception) -> str:
    said = " ".join(str(bug).split())
    return said if len(said) <= _LONGEST_TEXT else f"{said[:_LONGEST_TEXT]} …"


def _line() -> str:
    return f"reconcile_id={context_field('reconcile_id') or 'unknown'}"
