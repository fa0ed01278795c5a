"""Informers against a real API server, also one that comes back from a backup."""

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.documents import JsonObject, get_object, get_text
from ray_operator.operator.errors import Gone
from ray_operator.operator.informer import Informer
from ray_operator.operator.introduction import check_access
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.reflector import IDLE
from ray_operator.operator.resources import CONFIGMAPS, CRDS, NAMESPACES, SERVICEACCOUNTS, Resource
from ray_operator.operator.wire import WatchRequest
from support.control_plane import ControlPlane, free_ports, running_control_plane

CLOCK = SystemClock()
PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class View:
    key: Key
    uid: str
    resource_version: str


def project(document: JsonObject) -> View:
    metadata = get_object(document, "metadata")
    return View(
        Key(get_text(metadata, "namespace"), get_text(metadata, "name")),
        get_text(metadata, "uid"),
        get_text(metadata, "resourceVersion"),
    )


@asynccontextmanager
async def informed(
    kube: Kube, resource: Resource, namespace: str, *, idle: timedelta = IDLE
) -> AsyncIterator[Informer[View]]:
    informer = Informer(kube, resource, project, namespaces=(namespace,), clock=CLOCK, idle=idle)
    task = asyncio.create_task(informer.run())
    try:
        await asyncio.wait_for(informer.wait_until_settled(), PATIENCE_SECONDS)
        yield informer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what the API server's watch will bring."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - what is watched has no event to wait for
            await asyncio.sleep(0.005)


def a_map(namespace: str, name: str) -> JsonObject:
    return {"metadata": {"namespace": namespace, "name": name}}


def names(informer: Informer[View]) -> set[str]:
    return {view.key.name for view in informer.store.values()}


@pytest.mark.parametrize("streams", [True, False], ids=["as a stream", "in pages"])
async def test_more_objects_than_a_page_are_listed_and_followed(
    kube: Kube, namespace: str, *, streams: bool
) -> None:
    assert kube.streams_lists, "Kubernetes 1.34 has them"
    kube.streams_lists = streams
    await asyncio.gather(*(kube.create(CONFIGMAPS, a_map(namespace, f"m{n}")) for n in range(250)))

    async with informed(kube, CONFIGMAPS, namespace) as informer:
        assert len(informer.store) == 250
        await kube.delete(CONFIGMAPS, Key(namespace, "m7"))
        await kube.create(CONFIGMAPS, a_map(namespace, "new"))
        await until(lambda: "new" in names(informer))
        assert "m7" not in names(informer)
        assert informer.error is None


async def test_a_position_that_is_too_old_is_said_as_we_understand_it(
    kube: Kube, namespace: str
) -> None:
    """RayClusters were not even known then, so that no history of theirs goes back so far."""
    life = timedelta(seconds=10)
    request = WatchRequest(RAYCLUSTERS, namespace, "", "1", life=life, idle=life)

    with pytest.raises(Gone):
        async for _ in kube.watch(request):
            pass


@pytest.mark.parametrize("streams", [True, False], ids=["as a stream", "in pages"])
async def test_a_kind_that_is_installed_later_is_served_and_may_go_again(
    kube: Kube, namespace: str, *, streams: bool
) -> None:
    kube.streams_lists = streams
    kind = Resource(f"t{secrets.token_hex(4)}.example.org", "v1", "things", "Thing")
    told: list[tuple[bool, bool]] = []
    async with informed(kube, kind, namespace) as informer:
        assert informer.is_unavailable
        informer.on_change(lambda old, new: told.append((old is None, new is None)))

        await kube.create(CRDS, a_crd(kind))
        await until(lambda: informer.has_synced)
        thing = {"apiVersion": kind.api_version, "kind": kind.kind, **a_map(namespace, "one")}
        await kube.create(kind, thing)
        await until(lambda: names(informer) == {"one"})
        assert not informer.is_unavailable

        await kube.delete(CRDS, Key("", str(kind)))
        await until(lambda: informer.is_unavailable)
        assert told == [(True, False), (False, True)]


def a_crd(kind: Resource) -> JsonObject:
    schema: JsonObject = {"openAPIV3Schema": {"type": "object"}}
    version: JsonObject = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": CRDS.api_version,
        "kind": CRDS.kind,
        "metadata": {"name": str(kind)},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {"plural": kind.plural, "singular": "thing", "kind": kind.kind},
            "versions": [version],
        },
    }


async def test_in_a_pod_we_are_who_the_token_says(
    control_plane: ControlPlane,
    kube: Kube,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kubelet's files, the API server's own certificate, and a token that is replaced."""
    for name in ("first", "second"):
        await kube.create(SERVICEACCOUNTS, a_map(namespace, name))
    tokens = {
        name: control_plane.kubectl("create", "token", name, "-n", namespace)
        for name in ("first", "second")
    }
    host, port = control_plane.url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    shutil.copy(control_plane.ca, tmp_path / "ca.crt")
    (tmp_path / "token").write_text(tokens["first"])
    limited = await Kube.connect(KubeOptions(in_cluster=True, account=tmp_path), CLOCK)

    assert await check_access(limited) == f"system:serviceaccount:{namespace}:first"

    await kube.delete(SERVICEACCOUNTS, Key(namespace, "first"))
    (tmp_path / "token").write_text(tokens["second"])
    async with asyncio.timeout(PATIENCE_SECONDS):  # the server remembers a token for 10 s
        while not (await check_access(limited)).endswith(":second"):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.5)
    await limited.close()


@asynccontextmanager
async def connected(plane: ControlPlane) -> AsyncIterator[Kube]:
    kube = await Kube.connect(KubeOptions(kubeconfig=plane.kubeconfig), CLOCK)
    try:
        yield kube
    finally:
        await kube.close()


async def test_a_server_that_was_restored_from_a_backup_is_believed(tmp_path: Path) -> None:
    """Its versions are far behind our position, so that its watch is silent: no error tells us."""
    one, two, three = free_ports(3)
    data, backup = tmp_path / "etcd", tmp_path / "backup"
    with running_control_plane(tmp_path, (one, two, three)) as plane:
        async with connected(plane) as kube:
            await kube.create(NAMESPACES, {"metadata": {"name": "n"}})
            await kube.create(CONFIGMAPS, a_map("n", "in-the-backup"))
    shutil.copytree(data, backup)

    async with contextlib.AsyncExitStack() as stack:
        with running_control_plane(tmp_path, (one, two, three)) as plane:
            kube = await stack.enter_async_context(connected(plane))
            kube.streams_lists = True
            for number in range(30):
                await kube.create(CONFIGMAPS, a_map("n", f"lost-{number}"))
            informer = await stack.enter_async_context(
                informed(kube, CONFIGMAPS, "n", idle=timedelta(seconds=3))
            )
            assert len(informer.store) == 31

        shutil.rmtree(data)
        backup.rename(data)
        with running_control_plane(tmp_path, (one, two, three)):
            await until(lambda: names(informer) == {"in-the-backup"})
            await kube.create(CONFIGMAPS, a_map("n", "afterwards"))
            await until(lambda: names(informer) == {"in-the-backup", "afterwards"})
