"""Plays kubelet, scheduler, endpoint controller and garbage collector against a real API server.

Pods of one namespace run and become ready as soon as they exist, unless a test decides otherwise:

    async with a_kubelet(kube, namespace) as kubelet:
        kubelet.decide = lambda pod: Fate.IMAGE_MISSING if "worker" in pod else Fate.RUNS

Its own writes go through `Kube.raw`, so that counters of requests tell of the operator alone.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from ipaddress import IPv4Address
from itertools import count

from ray_operator.api.times import format_time
from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    encode,
    get_flag,
    get_object,
    get_objects,
    get_text,
    get_texts,
)
from ray_operator.operator.errors import Unreachable
from ray_operator.operator.informer import Informer
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import (
    ENDPOINTSLICES,
    PDBS,
    PODS,
    ROLEBINDINGS,
    ROLES,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    Resource,
)

NODE = "node-1"
_TIMEOUT = timedelta(seconds=30)
_MOST_AT_ONCE = 16
_TRY_AGAIN = frozenset({429, 500, 503, 504})
"""A loaded API server sheds requests; a pod must not stay Pending for that."""
_PAUSE_SECONDS = 0.2
_OK, _GONE = 300, 404
_POD_NETWORK = IPv4Address("10.1.0.0")
_MERGE = "application/merge-patch+json"
_UNWATCHED = (SERVICEACCOUNTS, ROLES, ROLEBINDINGS, PDBS, SECRETS)


class Fate(Enum):
    """What becomes of a pod."""

    RUNS = "running and ready"
    STARTS = "running, not ready"
    FAILS = "failed at once"
    IMAGE_MISSING = "its image can't be pulled"
    UNSCHEDULABLE = "no node has room"
    IGNORED = "nobody looks at it"


@dataclass(frozen=True, slots=True)
class RawView:
    """An object as the API server sent it."""

    key: Key
    uid: str
    resource_version: str
    document: JsonObject

    @property
    def metadata(self) -> JsonObject:
        """The object's metadata."""
        return get_object(self.document, "metadata")

    @property
    def is_terminating(self) -> bool:
        """Whether deletion has begun."""
        return bool(get_text(self.metadata, "deletionTimestamp"))


def project(document: JsonObject) -> RawView:
    """Keep everything."""
    metadata = get_object(document, "metadata")
    return RawView(
        key=Key(get_text(metadata, "namespace"), get_text(metadata, "name")),
        uid=get_text(metadata, "uid"),
        resource_version=get_text(metadata, "resourceVersion"),
        document=document,
    )


@dataclass(slots=True)
class _Lot:
    """What one pod is to become, and whose turn it is to write it."""

    fate: Fate | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Kubelet:
    """Plays the node of one namespace.

    `decide` is asked once for each new pod, by its name; `set_fate` overrules it, whether or not
    the first fate has been played by then.  While `holds_deletions` is true, deleted pods stay
    Terminating.
    """

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.decide: Callable[[str], Fate] = lambda _name: Fate.RUNS
        self.holds_deletions = False
        self._kube = kube
        self._namespace = namespace
        self._addresses = count(1)
        self._fates: defaultdict[str, _Lot] = defaultdict(_Lot)
        self._endpoints: dict[Key, JsonObject] = {}
        self._gone: set[str] = set()  # UIDs of owners
        self._dirty = asyncio.Event()
        self._news = asyncio.Event()
        # Without a bound, hundreds of pods mean as many connections, and time-outs.
        self._hands = asyncio.Semaphore(_MOST_AT_ONCE)
        # Not coroutines: those that nobody awaits any more at the end would complain.
        self._work: asyncio.Queue[Callable[[], Coroutine[None, None, None]]] = asyncio.Queue()
        self.pods = self._watch(PODS)
        self.services = self._watch(SERVICES)
        self.clusters_of_ray = self._watch(RAYCLUSTERS)
        self.services_of_ray = self._watch(RAYSERVICES)
        self.owners = (self.clusters_of_ray, self.services_of_ray)
        self.pods.on_change(self._on_pod)
        self.services.on_change(lambda _old, _new: self._dirty.set())
        self.pods.on_change(lambda _old, new: self._on_child(PODS, new))
        self.services.on_change(lambda _old, new: self._on_child(SERVICES, new))
        self.clusters_of_ray.on_change(lambda _old, new: self._on_child(RAYCLUSTERS, new))
        for owners in self.owners:
            owners.on_change(self._on_owner)

    async def run(self) -> None:
        """Play until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in (self.pods, self.services, *self.owners):
                group.create_task(informer.run())
            group.create_task(self._keep_endpoints())
            while True:
                begin = await self._work.get()
                group.create_task(begin())

    # --- what tests do to pods ------------------------------------------------------------------
    async def set_fate(self, name: str, fate: Fate) -> None:
        """Change what becomes of a pod that exists."""
        pod = await self._seen(name)
        self._fates[pod.uid].fate = fate
        await self._play(pod)

    async def release_deletions(self) -> None:
        """Let every Terminating pod go."""
        self.holds_deletions = False
        for pod in self.pods.store.values():
            if pod.is_terminating:
                await self._remove(pod)

    # --- handlers -------------------------------------------------------------------------------
    def _watch(self, resource: Resource) -> Informer[RawView]:
        return Informer(self._kube, resource, project, namespaces=(self._namespace,))

    def _on_pod(self, _old: RawView | None, new: RawView | None) -> None:
        self._dirty.set()
        self._news.set()
        if new is None:
            return
        if new.is_terminating:
            if not self.holds_deletions:
                self._work.put_nowait(partial(self._remove, new))
        elif self._fates[new.uid].fate is None:
            self._fates[new.uid].fate = self.decide(new.key.name)
            self._work.put_nowait(partial(self._play, new))

    def _on_owner(self, old: RawView | None, new: RawView | None) -> None:
        if old is not None and new is None:
            self._work.put_nowait(partial(self._collect, old.uid))

    async def collect_garbage(self) -> None:
        """Delete what owners owned that are gone, of every kind that the operator makes.

        What the kubelet watches goes by itself; of the rest it learns only by asking.
        """
        for resource in _UNWATCHED if self._gone else ():
            async for page in self._kube.list_pages(resource, namespace=self._namespace):
                for child in map(project, page.items):
                    if any(_is_owned(child, uid) for uid in self._gone):
                        await self._drop(resource, child.key)

    async def _collect(self, uid: str) -> None:
        """Delete what the vanished object owned."""
        self._gone.add(uid)
        for resource, informer in ((PODS, self.pods), (SERVICES, self.services)):
            for child in informer.store.values():
                if _is_owned(child, uid):
                    await self._drop(resource, child.key)
        for cluster in self.clusters_of_ray.store.values():
            if _is_owned(cluster, uid):
                await self._drop(RAYCLUSTERS, cluster.key)

    def _on_child(self, resource: Resource, new: RawView | None) -> None:
        """Collect what somebody made for an owner that was gone by then."""
        if new is None or new.is_terminating:
            return
        if any(_is_owned(new, uid) for uid in self._gone):
            self._work.put_nowait(partial(self._drop, resource, new.key))

    async def _drop(self, resource: Resource, key: Key) -> None:
        await self._ask("DELETE", resource.path(*key), None)

    # --- pods -----------------------------------------------------------------------------------
    async def _play(self, pod: RawView) -> None:
        """Write the pod's fate as it is when its turn comes, so that an older one never wins."""
        lot = self._fates[pod.uid]
        async with lot.turn:
            fate = lot.fate
            if fate is None or fate is Fate.IGNORED:
                return
            if fate is not Fate.UNSCHEDULABLE and not _is_bound(pod):
                await self._bind(pod)
            status = _status(pod.document, fate, str(_POD_NETWORK + next(self._addresses)))
            answer = await self._ask("PATCH", PODS.path(*pod.key, "status"), {"status": status})
            assert answer < _OK or answer == _GONE, f"status of {pod.key.name}: HTTP {answer}"

    async def _seen(self, name: str) -> RawView:
        """The pod, as soon as the kubelet's own watch has told of it; a test's may be ahead."""
        async with asyncio.timeout(_TIMEOUT.total_seconds()):
            while (pod := self.pods.store.get(Key(self._namespace, name))) is None:
                self._news.clear()
                await self._news.wait()
        return pod

    async def _bind(self, pod: RawView) -> None:
        target: JsonObject = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        binding: JsonObject = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.key.name, "namespace": pod.key.namespace},
            "target": target,
        }
        # Bound already (409) is as good.
        await self._ask("POST", PODS.path(*pod.key, "binding"), binding)

    async def _remove(self, pod: RawView) -> None:
        options: JsonObject = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod.uid}}
        await self._ask("DELETE", PODS.path(*pod.key), options)

    # --- endpoints ------------------------------------------------------------------------------
    async def _keep_endpoints(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            for service in self.services.store.values():
                await self._write_slice(service)

    async def _write_slice(self, service: RawView) -> None:
        wanted = _slice(service, self.pods.store.values())
        name = Key(service.key.namespace, f"{service.key.name}-slice")
        if not get_texts(get_object(service.document, "spec"), "selector"):
            return
        if self._endpoints.get(name) == wanted:
            return
        path = ENDPOINTSLICES.path(*name)
        if await self._ask("PATCH", path, wanted) >= _OK:
            await self._ask("POST", ENDPOINTSLICES.path(name.namespace), wanted)
        self._endpoints[name] = wanted

    async def _ask(self, method: str, path: str, body: JsonObject | None) -> int:
        """Send until the API server has judged; return the HTTP status."""
        while True:
            with contextlib.suppress(Unreachable):
                async with self._hands:
                    answer = await self._kube.raw(
                        method,
                        path,
                        body=None if body is None else encode(body),
                        timeout=_TIMEOUT,
                        content_type=_MERGE if method == "PATCH" else "application/json",
                    )
                if answer.status not in _TRY_AGAIN:
                    return answer.status
            await asyncio.sleep(_PAUSE_SECONDS)


@contextlib.asynccontextmanager
async def a_kubelet(kube: Kube, namespace: str) -> AsyncIterator[Kubelet]:
    """A kubelet at work."""
    kubelet = Kubelet(kube, namespace)
    task = asyncio.create_task(kubelet.run(), name="kubelet")
    try:
        yield kubelet
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is not None:
            raise task.exception() or AssertionError("the kubelet died")


def _is_bound(pod: RawView) -> bool:
    return bool(get_text(get_object(pod.document, "spec"), "nodeName"))


def _is_owned(child: RawView, uid: str) -> bool:
    references = get_objects(child.metadata, "ownerReferences")
    return any(get_text(reference, "uid") == uid for reference in references)


def _status(pod: JsonObject, fate: Fate, address: str) -> dict[str, JsonValue]:
    now = format_time(datetime.now(UTC))
    names = [
        (get_text(c, "name"), get_text(c, "image"))
        for c in get_objects(get_object(pod, "spec"), "containers")
    ]
    if fate is Fate.UNSCHEDULABLE:
        text = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
        condition = _condition("PodScheduled", "False", now, "Unschedulable", text)
        return {"phase": "Pending", "conditions": [condition]}
    is_ready = fate is Fate.RUNS
    phase = {Fate.FAILS: "Failed", Fate.IMAGE_MISSING: "Pending"}.get(fate, "Running")
    reason = "" if is_ready else "ContainersNotReady"
    return {
        "phase": phase,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [
            _condition("PodScheduled", "True", now),
            _condition("Ready", str(is_ready), now, reason),
        ],
        "containerStatuses": [
            {
                "name": name,
                "image": image,
                "imageID": "",
                "ready": is_ready,
                "restartCount": 0,
                "state": _container_state(fate, image, now),
            }
            for name, image in names
        ],
    }


def _container_state(fate: Fate, image: str, now: str) -> JsonObject:
    match fate:
        case Fate.IMAGE_MISSING:
            text = f"failed to pull {image}: not found"
            return {"waiting": {"reason": "ErrImagePull", "message": text}}
        case Fate.FAILS:
            ended: JsonObject = {
                "exitCode": 1,
                "reason": "Error",
                "startedAt": now,
                "finishedAt": now,
            }
            return {"terminated": ended}
        case _:
            return {"running": {"startedAt": now}}


def _condition(
    type_: str,
    status: str,
    now: str,
    reason: str = "",
    message: str = "",
) -> JsonObject:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": now,
    }


def _slice(service: RawView, pods: tuple[RawView, ...]) -> JsonObject:
    spec = get_object(service.document, "spec")
    selector = get_texts(spec, "selector").items()
    publishes = get_flag(spec, "publishNotReadyAddresses")
    chosen = [
        pod
        for pod in pods
        if selector <= get_texts(pod.metadata, "labels").items()
        and get_text(get_object(pod.document, "status"), "podIP")
    ]
    labels = {
        **get_texts(service.metadata, "labels"),
        "kubernetes.io/service-name": service.key.name,
        "endpointslice.kubernetes.io/managed-by": "test",
    }
    return {
        "apiVersion": ENDPOINTSLICES.api_version,
        "kind": ENDPOINTSLICES.kind,
        "metadata": {
            "name": f"{service.key.name}-slice",
            "namespace": service.key.namespace,
            "labels": labels,
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(pod, publishes=publishes) for pod in chosen],
        "ports": [
            {"name": get_text(port, "name"), "port": port.get("port"), "protocol": "TCP"}
            for port in get_objects(spec, "ports")
        ],
    }


def _endpoint(pod: RawView, *, publishes: bool) -> JsonObject:
    status = get_object(pod.document, "status")
    is_ready = any(
        get_text(c, "type") == "Ready" and get_text(c, "status") == "True"
        for c in get_objects(status, "conditions")
    )
    return {
        "addresses": [get_text(status, "podIP")],
        "conditions": {"ready": publishes or (is_ready and not pod.is_terminating)},
        "targetRef": {"kind": "Pod", "name": pod.key.name, "uid": pod.uid},
    }
