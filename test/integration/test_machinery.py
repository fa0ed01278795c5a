"""The machinery against a real API server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_object,
    get_objects,
    get_text,
)
from ray_operator.operator.errors import Conflict, Forbidden, Invalid, NotFound
from ray_operator.operator.events import EventWriter
from ray_operator.operator.executor import Executor
from ray_operator.operator.expectations import Expectations, Sight
from ray_operator.operator.informer import Informer
from ray_operator.operator.introduction import check_access
from ray_operator.operator.keys import Key, ObjectRef
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.leader import LEASE_NAME, Elector, Leadership, Terms
from ray_operator.operator.notes import Note
from ray_operator.operator.resources import (
    CONFIGMAPS,
    EVENTS,
    LEASES,
    PODS,
    ROLEBINDINGS,
    ROLES,
    SERVICEACCOUNTS,
    Resource,
)
from ray_operator.operator.statuses import StatusWriter
from ray_operator.operator.steps import Step
from ray_operator.operator.writes import Create, Delete, MergePatch
from support.control_plane import ControlPlane

CLOCK = SystemClock()
PATIENCE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class View:
    key: Key
    uid: str
    resource_version: str
    labels: JsonObject


def project(document: JsonObject) -> View:
    metadata = get_object(document, "metadata")
    return View(
        Key(get_text(metadata, "namespace"), get_text(metadata, "name")),
        get_text(metadata, "uid"),
        get_text(metadata, "resourceVersion"),
        get_object(metadata, "labels"),
    )


@asynccontextmanager
async def informed(
    kube: Kube, resource: Resource, namespace: str, selector: str = ""
) -> AsyncIterator[Informer[View]]:
    informer = Informer(
        kube, resource, project, namespaces=(namespace,), selector=selector, clock=CLOCK
    )
    task = asyncio.create_task(informer.run())
    await asyncio.wait_for(informer.wait_until_settled(), PATIENCE_SECONDS)
    yield informer
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what the API server's watch will bring."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - what is watched has no event to wait for
            await asyncio.sleep(0.005)


def a_map(namespace: str, name: str, **labels: str) -> JsonObject:
    return {"metadata": {"namespace": namespace, "name": name, "labels": labels}}


def a_pod(namespace: str, name: str, image: str = "x") -> JsonObject:
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }


def a_raycluster(namespace: str, name: str = "c") -> JsonObject:
    template: JsonObject = {
        "spec": {"containers": [{"name": "ray", "image": "rayproject/ray:2.9.0"}]}
    }
    return {
        "apiVersion": RAYCLUSTERS.api_version,
        "kind": RAYCLUSTERS.kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"headGroupSpec": {"rayStartParams": {}, "template": template}},
    }


# -- informers


async def test_more_objects_than_a_page_are_cached(kube: Kube, namespace: str) -> None:
    await asyncio.gather(*(kube.create(CONFIGMAPS, a_map(namespace, f"m{n}")) for n in range(250)))

    async with informed(kube, CONFIGMAPS, namespace) as informer:
        assert len(informer.store) == 250
        await kube.delete(CONFIGMAPS, Key(namespace, "m7"))
        await until(lambda: len(informer.store) == 249)


async def test_an_object_that_no_longer_matches_the_selector_leaves_the_cache(
    kube: Kube, namespace: str
) -> None:
    key = Key(namespace, "m")
    async with informed(kube, CONFIGMAPS, namespace, "team=ray") as informer:
        await kube.create(CONFIGMAPS, a_map(namespace, "m", team="ray"))
        await until(lambda: informer.store.get(key) is not None)

        await kube.patch(CONFIGMAPS, key, {"metadata": {"labels": {"team": None}}})
        await until(lambda: informer.store.get(key) is None)


async def test_custom_resources_are_cached_and_served_to_the_end(
    kube: Kube, namespace: str
) -> None:
    told: list[tuple[bool, bool]] = []
    async with informed(kube, RAYCLUSTERS, namespace) as informer:
        informer.on_change(lambda old, new: told.append((old is None, new is None)))
        await kube.create(RAYCLUSTERS, a_raycluster(namespace))
        await until(lambda: len(told) == 1)
        await kube.patch(RAYCLUSTERS, Key(namespace, "c"), {"metadata": {"labels": {"a": "b"}}})
        await until(lambda: len(told) == 2)
        await kube.delete(RAYCLUSTERS, Key(namespace, "c"))
        await until(lambda: len(told) == 3)

    assert told == [(True, False), (False, False), (False, True)]


async def test_a_kind_that_is_not_served_settles_as_unavailable(kube: Kube, namespace: str) -> None:
    unknown = Resource("example.org", "v1", "things", "Thing")
    async with informed(kube, unknown, namespace) as informer:
        assert informer.is_unavailable
        assert isinstance(informer.error, NotFound)


async def test_a_missing_permission_names_verb_and_resource(
    control_plane: ControlPlane, kube: Kube, namespace: str
) -> None:
    async with (
        account(control_plane, kube, namespace, verbs=["get"]) as limited,
        informed(limited, CONFIGMAPS, namespace) as informer,
    ):
        assert informer.is_unavailable
        assert isinstance(informer.error, Forbidden)
        assert 'cannot list resource "configmaps"' in str(informer.error)


async def test_a_permission_that_is_granted_later_is_noticed(
    control_plane: ControlPlane, kube: Kube, namespace: str
) -> None:
    await kube.create(CONFIGMAPS, a_map(namespace, "m"))
    async with (
        account(control_plane, kube, namespace, verbs=["get"]) as limited,
        informed(limited, CONFIGMAPS, namespace) as informer,
    ):
        rules = [a_rule(["get", "list", "watch"])]
        await kube.patch(ROLES, Key(namespace, "limited"), {"rules": rules})
        await until(lambda: informer.has_synced)
        assert not informer.is_unavailable


# -- writes


@pytest.fixture
async def owner(kube: Kube, namespace: str) -> ObjectRef:
    written = await kube.create(RAYCLUSTERS, a_raycluster(namespace))
    uid = get_text(get_object(written.document, "metadata"), "uid")
    return ObjectRef(RAYCLUSTERS.api_version, RAYCLUSTERS.kind, namespace, "c", uid)


def a_step(write: Create | Delete | MergePatch, lane: str = "lane") -> Step:
    return Step(text=lane, write=write, lane=lane)


async def test_children_are_created_owned_patched_and_deleted(kube: Kube, owner: ObjectRef) -> None:
    executor = Executor(kube, Expectations(CLOCK))
    key = Key(owner.namespace, "p")
    created = await executor.run(owner, [a_step(Create(PODS, a_pod(*key)))])
    assert len(created.done) == 1

    pod = await kube.get(PODS, key)
    metadata = get_object(pod, "metadata")
    assert get_objects(metadata, "ownerReferences") == (owner.owner_reference(),)

    again = await executor.run(owner, [a_step(Create(PODS, a_pod(*key)))])
    assert len(again.done) == 1, "a create that had succeeded unseen counts as done"

    patched = await executor.run(
        owner, [a_step(MergePatch(PODS, key, {"metadata": {"labels": {"a": "b"}}}))]
    )
    assert len(patched.done) == 1

    another_life = Delete(PODS, key, uid="00000000-0000-0000-0000-000000000000")
    spared = await executor.run(owner, [a_step(another_life)])
    assert len(spared.done) == 1
    assert await kube.get(PODS, key)

    uid = get_text(metadata, "uid")
    gone = await executor.run(
        owner, [a_step(Delete(PODS, key, uid=uid, grace=timedelta())), a_step(another_life)]
    )
    assert len(gone.done) == 2
    with pytest.raises(NotFound):
        await kube.get(PODS, key)


async def test_a_name_in_foreign_hands_is_a_failure(kube: Kube, owner: ObjectRef) -> None:
    await kube.create(PODS, a_pod(owner.namespace, "p"))
    executor = Executor(kube, Expectations(CLOCK))

    outcome = await executor.run(owner, [a_step(Create(PODS, a_pod(owner.namespace, "p")))])

    assert "already exists" in str(outcome.failed[0].error)


async def test_a_typo_in_a_pod_is_warned_of(kube: Kube, owner: ObjectRef) -> None:
    pod: dict[str, JsonValue] = {**a_pod(owner.namespace, "p")}
    pod["spec"] = {**get_object(pod, "spec"), "nodeSelektor": {"a": "b"}}
    executor = Executor(kube, Expectations(CLOCK))

    outcome = await executor.run(owner, [a_step(Create(PODS, pod))])

    assert outcome.warned[0].texts == ('unknown field "spec.nodeSelektor"',)


async def test_a_wrong_type_in_a_pod_is_invalid(kube: Kube, namespace: str) -> None:
    pod: dict[str, JsonValue] = {**a_pod(namespace, "p"), "spec": {"containers": "many"}}

    with pytest.raises(Invalid):
        await kube.create(PODS, pod)


async def test_a_quota_stops_a_lane_after_its_first_batch(kube: Kube, owner: ObjectRef) -> None:
    """Pods that no admission lets through cost one request, not twenty."""
    pods = [a_step(Create(PODS, a_pod(owner.namespace, f"p{n}", image=""))) for n in range(20)]
    expectations = Expectations(CLOCK)

    outcome = await Executor(kube, expectations).run(owner, pods)

    assert (len(outcome.done), len(outcome.failed), len(outcome.skipped)) == (0, 1, 19)
    assert expectations.settled(owner.key, "lane", Sight((), ()))


# -- status


async def test_a_status_is_written_once_and_waited_for(kube: Kube, owner: ObjectRef) -> None:
    statuses = StatusWriter(kube, CLOCK)
    async with informed(kube, RAYCLUSTERS, owner.namespace) as informer:
        before = informer.store.get(owner.key)
        assert before is not None

        assert await statuses.write(RAYCLUSTERS, before, {}, {"state": "ready"})
        assert not statuses.caught_up(before)
        await until(lambda: informer.store.get(owner.key) != before)
        after = informer.store.get(owner.key)
        assert after is not None
        assert statuses.caught_up(after)

        found = get_object(await kube.get(RAYCLUSTERS, owner.key), "status")
        assert found == {"state": "ready"}
        assert not await statuses.write(RAYCLUSTERS, after, found, {"state": "ready"})


async def test_a_transition_upon_a_stale_object_is_a_conflict(kube: Kube, owner: ObjectRef) -> None:
    statuses = StatusWriter(kube, CLOCK)
    stale = project(await kube.get(RAYCLUSTERS, owner.key))
    await kube.patch(RAYCLUSTERS, owner.key, {"metadata": {"labels": {"a": "b"}}})

    with pytest.raises(Conflict):
        await statuses.write(RAYCLUSTERS, stale, {}, {"state": "ready"}, transition=True)


# -- events


async def test_events_are_accepted_and_counted(kube: Kube, owner: ObjectRef) -> None:
    writer = EventWriter(kube, CLOCK, "operator-0")
    task = asyncio.create_task(writer.run())
    recorder = writer.recorder("raycluster-controller")
    for _ in range(3):
        recorder.record(owner, Note("Warning", "FailedToCreateHeadPod", "Create", "quota"))
        await asyncio.wait_for(writer.flush(), PATIENCE_SECONDS)
    task.cancel()

    pages = [page async for page in kube.list_pages(EVENTS, namespace=owner.namespace)]
    (event,) = [item for page in pages for item in page.items]
    assert get_text(event, "reportingController") == "raycluster-controller"
    assert get_object(event, "series")["count"] == 3


# -- leadership


async def test_of_two_candidates_one_leads_and_a_release_lets_the_other(
    kube: Kube, namespace: str
) -> None:
    terms = Terms(
        lease=timedelta(seconds=20),
        renew_deadline=timedelta(seconds=15),
        retry_period=timedelta(seconds=0.2),
    )
    leaderships = [Leadership(CLOCK), Leadership(CLOCK)]
    electors = [
        Elector(kube, namespace, name, leadership, CLOCK, terms=terms)
        for name, leadership in zip("ab", leaderships, strict=True)
    ]
    first, second = electors
    await first.acquire()
    keeping = asyncio.create_task(first.keep())
    waiting = asyncio.create_task(second.acquire())

    renewals: set[str] = set()
    async with asyncio.timeout(60):
        while len(renewals) < 4:
            lease = await kube.get(LEASES, Key(namespace, LEASE_NAME))
            renewals.add(get_text(get_object(lease, "spec"), "renewTime"))
            await asyncio.sleep(0.05)
    assert not waiting.done()
    assert [leadership.is_held() for leadership in leaderships] == [True, False]

    keeping.cancel()
    await first.release()
    await asyncio.wait_for(waiting, 15)
    assert [leadership.is_held() for leadership in leaderships] == [False, True]
    lease = await kube.get(LEASES, Key(namespace, LEASE_NAME))
    assert get_object(lease, "spec")["holderIdentity"] == "b"
    assert get_object(lease, "spec")["leaseTransitions"] == 1


async def test_the_self_test_knows_a_service_account(
    control_plane: ControlPlane, kube: Kube, namespace: str
) -> None:
    async with account(control_plane, kube, namespace, verbs=["get"]) as limited:
        assert await check_access(limited) == f"system:serviceaccount:{namespace}:limited"


# -- somebody with few rights


def a_rule(verbs: list[str]) -> JsonObject:
    return {"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}


@asynccontextmanager
async def account(
    plane: ControlPlane, kube: Kube, namespace: str, verbs: list[str]
) -> AsyncIterator[Kube]:
    """Connect as a ServiceAccount that may do only so much with ConfigMaps."""
    named = {"metadata": {"namespace": namespace, "name": "limited"}}
    await kube.create(SERVICEACCOUNTS, named)
    await kube.create(ROLES, {**named, "rules": [a_rule(verbs)]})
    binding: JsonObject = {
        **named,
        "roleRef": {"apiGroup": ROLES.group, "kind": "Role", "name": "limited"},
        "subjects": [{"kind": "ServiceAccount", "name": "limited", "namespace": namespace}],
    }
    await kube.create(ROLEBINDINGS, binding)
    token = plane.kubectl("create", "token", "limited", "-n", namespace).strip()
    limited = await Kube.connect(KubeOptions(kubeconfig=plane.kubeconfig_with(token)), CLOCK)
    try:
        yield limited
    finally:
        await limited.close()
