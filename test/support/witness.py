"""Sees what becomes of a namespace, and waits for it: woken by watches, never by the clock."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import TypeVar

from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.operator.documents import JsonObject, get_object, get_objects, get_text, get_texts
from ray_operator.operator.informer import Informer
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import EVENTS, PDBS, PODS, SERVICES, Resource
from support.kubelet import RawView, project

PATIENCE = timedelta(seconds=60)
"""Everything here takes a second on an idle machine; a busy one must not fail a test."""

T = TypeVar("T")


class Witness:
    """What exists in one namespace, kept by watches of its own."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.namespace = namespace
        self._kube = kube
        self._changed = asyncio.Event()
        watched = (RAYCLUSTERS, RAYSERVICES, PODS, SERVICES, EVENTS, PDBS)
        self._informers = {resource: self._watch(resource) for resource in watched}

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())

    async def until(
        self,
        what: str,
        look: Callable[[], T | bool | None],
        patience: timedelta = PATIENCE,
    ) -> T:
        """Return the first answer of `look` that is true; it is asked after each change.

        Raises:
            AssertionError: there was none in time; the text tells `what` and what is there.
        """
        try:
            async with asyncio.timeout(patience.total_seconds()):
                while True:
                    self._changed.clear()
                    answer = look()
                    if answer:
                        return answer  # type: ignore[return-value]  # true, so neither None nor False
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not within {patience}: {what}\n{self.describe()}") from None

    async def stays(self, what: str, look: Callable[[], bool], time: timedelta) -> None:
        """Make sure that `look` holds now and after each change for `time`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(time.total_seconds()):
                while True:
                    self._changed.clear()
                    assert look(), f"{what}\n{self.describe()}"
                    await self._changed.wait()

    # --- what is there --------------------------------------------------------------------------
    def all(self, resource: Resource) -> tuple[JsonObject, ...]:
        """Return the objects of a kind."""
        return tuple(view.document for view in self._informers[resource].store.values())

    def get(self, resource: Resource, name: str) -> JsonObject | None:
        """Return one object."""
        view = self._informers[resource].store.get(Key(self.namespace, name))
        return view.document if view is not None else None

    def pods(self, group: str = "", *, terminating: bool = False) -> tuple[JsonObject, ...]:
        """Return the pods of a group, or all; terminating ones only if asked for."""
        return tuple(
            pod
            for pod in self.all(PODS)
            if group in {"", get_texts(get_object(pod, "metadata"), "labels").get("ray.io/group")}
            and (terminating or not get_text(get_object(pod, "metadata"), "deletionTimestamp"))
        )

    def names(self, group: str = "") -> set[str]:
        """Return the names of the pods of a group that are not terminating."""
        return {name_of(pod) for pod in self.pods(group)}

    def status(self, name: str) -> JsonObject:
        """Return a RayCluster's status."""
        return get_object(self.get(RAYCLUSTERS, name) or {}, "status")

    def condition(self, name: str, type_: str) -> JsonObject:
        """Return one condition of a RayCluster; empty if there is none."""
        found = get_objects(self.status(name), "conditions")
        return next((c for c in found if get_text(c, "type") == type_), {})

    def is_true(self, name: str, type_: str) -> bool:
        """Tell whether a condition of a RayCluster is True."""
        return get_text(self.condition(name, type_), "status") == "True"

    def events(self, reason: str) -> tuple[JsonObject, ...]:
        """Return the events with that reason."""
        return tuple(e for e in self.all(EVENTS) if get_text(e, "reason") == reason)

    def describe(self) -> str:
        """Say what is there, for a failed test."""
        lines = [f"{name_of(c)}: {get_object(c, 'status')}" for c in self.all(RAYCLUSTERS)]
        lines += [
            f"{name_of(pod)}: {get_text(get_object(pod, 'status'), 'phase')}"
            for pod in self.pods(terminating=True)
        ]
        lines += [f"{get_text(e, 'reason')}: {get_text(e, 'note')}" for e in self.all(EVENTS)]
        return "\n".join(lines)

    def _watch(self, resource: Resource) -> Informer[RawView]:
        informer = Informer(self._kube, resource, project, namespaces=(self.namespace,))
        informer.on_change(lambda _old, _new: self._changed.set())
        return informer


def name_of(document: JsonObject) -> str:
    """Return an object's name."""
    return get_text(get_object(document, "metadata"), "name")


def uid_of(document: JsonObject) -> str:
    """Return an object's UID."""
    return get_text(get_object(document, "metadata"), "uid")


@contextlib.asynccontextmanager
async def a_witness(kube: Kube, namespace: str) -> AsyncIterator[Witness]:
    """A witness that watches."""
    witness = Witness(kube, namespace)
    task = asyncio.create_task(witness.run(), name="witness")
    try:
        yield witness
    finally:
        task.cancel()
        await asyncio.wait({task})
