"""The only writer of what the controllers plan (besides status and events).

What it promises:

- lanes run side by side; within a lane, writes go out in batches of 1, 2, 4 … 64, and the first
  batch with a failure is the lane's last, so that a quota or a bad template costs one request, not
  hundreds (Kubernetes' ReplicaSet controller does the same);
- a lane starts when the lanes it needs have succeeded; if one of them failed, it is skipped;
- what is there already counts as done: a create that meets an object of the same owner, a delete
  that meets nothing or another life of the name;
- creations and deletions of pods are announced to `Expectations` before they leave, and taken back
  only if they certainly had no effect;
- owners share the connections fairly (`places.py`): who creates hundreds of pods doesn't keep a
  small cluster's writes waiting;
- a step fails alone, of a bug too: the outcome of the others is kept.

It decides by error class and never retries: the queue does, with a fresh look at the cluster.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from typing import assert_never

from ray_operator.operator.cancellation import is_being_cancelled
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_object,
    get_objects,
    get_text,
)
from ray_operator.operator.errors import (
    AlreadyExists,
    Conflict,
    KubeError,
    NotFound,
    is_outcome_unknown,
)
from ray_operator.operator.expectations import Expectations
from ray_operator.operator.keys import Key, ObjectRef
from ray_operator.operator.kube import Kube
from ray_operator.operator.logs import Logger
from ray_operator.operator.places import Places
from ray_operator.operator.resources import PODS
from ray_operator.operator.steps import Failure, Outcome, Step, Warned
from ray_operator.operator.writes import (
    Create,
    Delete,
    JsonPatch,
    MergePatch,
    Write,
)

log = Logger(__name__)

LARGEST_BATCH = 64
"""As many pods as a turn creates for a group."""

MOST_A_NAMESPACE = 24
"""Writes at once.  Measured, a cluster of 640 pods on two cores with the API server: with 48 it is
up no sooner, and each write of a small cluster beside it takes twice as long, since requests that
are under way share the API server; with 16 it takes a fifth longer."""

PLACES = MOST_A_NAMESPACE + 8
"""The rest is for others while a namespace's requests hang.  Half of the connections remain for
status, events and reads."""


class Executor:
    """Sends the writes of a pass: in parallel where it may be, bounded where it must be.

    Args:
        kube: the API server.
        expectations: told of every creation and deletion of pods.
    """

    def __init__(self, kube: Kube, expectations: Expectations) -> None:
        self._kube = kube
        self._expectations = expectations
        self._places = Places(PLACES, MOST_A_NAMESPACE)

    async def run(self, owner: ObjectRef, steps: Sequence[Step]) -> Outcome:
        """Send `steps` on behalf of `owner`; a failed step is reported, not raised.

        Raises:
            CycleError: lanes need each other.
        """
        if not steps:
            return Outcome()
        lanes: dict[str, list[Step]] = {}
        for step in steps:
            lanes.setdefault(step.lane, []).append(step)
        needs = {name: _needs(name, lane) & lanes.keys() for name, lane in lanes.items()}
        TopologicalSorter(needs).prepare()
        running: dict[str, asyncio.Task[Outcome]] = {}
        async with asyncio.TaskGroup() as group:
            for name, lane in lanes.items():
                work = self._run_lane(owner, lane, needs[name], running)
                running[name] = group.create_task(work, name=f"lane {name}")
        return _join(task.result() for task in running.values())

    async def _run_lane(
        self,
        owner: ObjectRef,
        lane: Sequence[Step],
        needs: Iterable[str],
        running: Mapping[str, asyncio.Task[Outcome]],
    ) -> Outcome:
        for name in needs:
            outcome = await running[name]
            if outcome.failed or outcome.skipped:
                return Outcome(skipped=tuple(lane))
        outcomes = []
        for batch in _batches(lane):
            outcome = await self._run_batch(owner, batch)
            outcomes.append(outcome)
            if outcome.failed:
                break
        joined = _join(outcomes)
        begun = len(joined.done) + len(joined.failed)
        return replace(joined, skipped=tuple(lane[begun:]))

    async def _run_batch(self, owner: ObjectRef, batch: Sequence[Step]) -> Outcome:
        if len(batch) == 1:
            return await self._run_step(owner, batch[0])
        async with asyncio.TaskGroup() as group:
            steps = [group.create_task(self._run_step(owner, step)) for step in batch]
        return _join(step.result() for step in steps)

    async def _run_step(self, owner: ObjectRef, step: Step) -> Outcome:
        try:
            async with self._places.of(owner.key):
                result = await self._announce_and_perform(owner, step)
        except Exception as error:  # noqa: BLE001 - of a bug, too: the others' outcome must be kept
            return Outcome(failed=(Failure(step, error),))
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            cause = RuntimeError("something that the write waited for was cancelled")
            return Outcome(failed=(Failure(step, cause),))
        log.info("changed the cluster", step=step.text)
        warned = (Warned(step, result.warnings),) if result.warnings else ()
        return Outcome(done=(step,), warned=warned, met=(step,) if result.met else ())

    async def _announce_and_perform(self, owner: ObjectRef, step: Step) -> "_Result":
        self._expect(owner, step)
        try:
            return await self._perform(owner, step.write)
        except KubeError as error:
            # After anything else (cancelled, a bug) it is unknown whether it took effect: then the
            # expectation stands.
            if not is_outcome_unknown(error):
                self._take_back(owner, step)
            raise

    async def _perform(self, owner: ObjectRef, write: Write) -> "_Result":
        """Send one write."""
        match write:
            case Create():
                return await self._create(owner, write)
            case MergePatch(resource, key, patch, subresource, version):
                body = _with_version(patch, version)
                written = await self._kube.patch(resource, key, body, subresource=subresource)
                return _Result(written.warnings)
            case JsonPatch(resource, key, operations, subresource):
                written = await self._kube.patch(
                    resource, key, operations, subresource=subresource, kind="json"
                )
                return _Result(written.warnings)
            case Delete():
                await self._delete(write)
                return _Result()
            case _:
                assert_never(write)

    async def _create(self, owner: ObjectRef, create: Create) -> "_Result":
        manifest = _complete(owner, create)
        try:
            written = await self._kube.create(create.resource, manifest, wants_all=False)
            return _Result(written.warnings)
        except AlreadyExists:
            # An earlier attempt may have succeeded without our knowing.
            found = await self._kube.get(create.resource, _key(manifest))
            if _is_usable(found, owner, create):
                return _Result(met=True)
            raise

    async def _delete(self, delete: Delete) -> None:
        try:
            await self._kube.delete(delete.resource, delete.key, uid=delete.uid, grace=delete.grace)
        except NotFound:
            pass  # gone already
        except Conflict:
            if delete.uid is None:
                raise
            # That life of the object is over; the name belongs to another one.

    def _expect(self, owner: ObjectRef, step: Step) -> None:
        match step.write:
            case Create(resource, manifest) if resource == PODS:
                self._expectations.expect_create(owner.key, step.lane, _key(manifest).name)
            case Delete(resource, _, str(uid)) if resource == PODS:
                self._expectations.expect_delete(owner.key, step.lane, uid)

    def _take_back(self, owner: ObjectRef, step: Step) -> None:
        match step.write:
            case Create(resource, manifest) if resource == PODS:
                self._expectations.failed(owner.key, step.lane, name=_key(manifest).name)
            case Delete(resource, _, str(uid)) if resource == PODS:
                self._expectations.failed(owner.key, step.lane, uid=uid)


@dataclass(frozen=True, slots=True)
class _Result:
    """What the API server warned of, and whether a creation met an object of the same owner."""

    warnings: tuple[str, ...] = ()
    met: bool = False


def _needs(name: str, lane: Iterable[Step]) -> set[str]:
    return {needed for step in lane for needed in step.needs if needed != name}


def _batches(lane: Sequence[Step]) -> Iterator[Sequence[Step]]:
    start, size = 0, 1
    while start < len(lane):
        yield lane[start : start + size]
        start, size = start + size, min(size * 2, LARGEST_BATCH)


def _join(outcomes: Iterable[Outcome]) -> Outcome:
    parts = tuple(outcomes)
    return Outcome(
        done=tuple(step for part in parts for step in part.done),
        failed=tuple(failure for part in parts for failure in part.failed),
        skipped=tuple(step for part in parts for step in part.skipped),
        warned=tuple(warned for part in parts for warned in part.warned),
        met=tuple(step for part in parts for step in part.met),
    )


def _key(manifest: JsonObject) -> Key:
    metadata = get_object(manifest, "metadata")
    return Key(get_text(metadata, "namespace"), get_text(metadata, "name"))


def _complete(owner: ObjectRef, create: Create) -> JsonObject:
    """Add what every child has: kind, and the controller reference to its owner."""
    metadata: dict[str, JsonValue] = dict(get_object(create.manifest, "metadata"))
    if create.owned and "ownerReferences" not in metadata:
        metadata["ownerReferences"] = [owner.owner_reference()]
    return {
        "apiVersion": create.resource.api_version,
        "kind": create.resource.kind,
        **create.manifest,
        "metadata": metadata,
    }


def _is_usable(found: JsonObject, owner: ObjectRef, create: Create) -> bool:
    """Tell whether an object of the wanted name is the wanted one, and here to stay."""
    metadata = get_object(found, "metadata")
    if "deletionTimestamp" in metadata:
        return False
    owners = {get_text(reference, "uid") for reference in get_objects(metadata, "ownerReferences")}
    return not create.owned or owner.uid in owners


def _with_version(patch: JsonObject, version: str | None) -> JsonObject:
    if version is None:
        return patch
    return {**patch, "metadata": {**get_object(patch, "metadata"), "resourceVersion": version}}
