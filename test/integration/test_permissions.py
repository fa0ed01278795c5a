"""An operator that lacks rights says which, on the object where there is one, and does the rest."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from ray_operator.api import conditions as c
from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.operator.documents import JsonObject, get_object, get_objects, get_text
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import EVENTS, ROLEBINDINGS, ROLES, SERVICEACCOUNTS, SERVICES
from support.builders import a_cluster, a_group
from support.control_plane import ControlPlane
from support.kubelet import a_kubelet
from support.operator_in_process import a_running_operator
from support.service_scene import ServiceScene
from support.witness import Witness, a_witness

ROLE = Path(__file__).parents[2] / "config" / "rbac" / "role.yaml"
NAME = "limited-operator"
PATIENCE_SECONDS = 120.0
"""A watch that was refused is tried again after a minute at most."""
Right = tuple[str, str]
"""Verb and resource."""


def rules_without(missing: Iterable[Right]) -> list[JsonObject]:
    """The rules of our ClusterRole, one resource each, but for the missing rights."""
    lacks = frozenset(missing)
    found: list[JsonObject] = []
    for rule in yaml.safe_load(ROLE.read_text(encoding="utf-8"))["rules"]:
        for resource in rule["resources"]:
            verbs = [verb for verb in rule["verbs"] if (verb, resource) not in lacks]
            if verbs:
                found.append({**rule, "resources": [resource], "verbs": verbs})
    return found


@dataclass(frozen=True)
class Limited:
    """A ServiceAccount with less than the operator's rights."""

    kube: Kube
    namespace: str
    kubeconfig: Path

    async def grant_all(self) -> None:
        """Give it what it lacks."""
        patch: JsonObject = {"rules": rules_without(())}
        await self.kube.patch(ROLES, Key(self.namespace, NAME), patch)


async def a_limited(
    plane: ControlPlane, kube: Kube, namespace: str, missing: Iterable[Right]
) -> Limited:
    named: JsonObject = {"metadata": {"namespace": namespace, "name": NAME}}
    await kube.create(SERVICEACCOUNTS, named)
    await kube.create(ROLES, {**named, "rules": rules_without(missing)})
    binding: JsonObject = {
        **named,
        "roleRef": {"apiGroup": ROLES.group, "kind": "Role", "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
    }
    await kube.create(ROLEBINDINGS, binding)
    token = plane.kubectl("create", "token", NAME, "-n", namespace).strip()
    return Limited(kube, namespace, plane.kubeconfig_with(token))


@dataclass(frozen=True)
class Stage:
    """An operator that lacks rights, and all around it."""

    limited: Limited
    kube: Kube
    witness: Witness
    logged: Callable[[str], bool]

    async def until_logged(self, right: Right) -> None:
        """Wait until the log names a right that is missing."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.logged(lack_of(right)):  # noqa: ASYNC110 - nobody tells of log lines
                await asyncio.sleep(0.1)

    async def until_told(self, name: str, right: Right) -> None:
        """Wait until a condition or event of a RayCluster names a right that is missing."""
        words = lack_of(right)
        await self.witness.until(f"{name}: {words}", lambda: words in said_of(self.witness, name))

    async def until_ready(self, name: str) -> None:
        await self.witness.until(f"{name} is ready", lambda: self.witness.is_true(name, "Ready"))

    async def apply(self, name: str, **spec: object) -> None:
        document = a_cluster(name, namespace=self.witness.namespace, **spec)  # type: ignore[arg-type] # fields of a spec
        await self.kube.create(RAYCLUSTERS, document)

    async def edit(self, name: str, **spec: object) -> None:
        patch: JsonObject = {"spec": spec}  # type: ignore[dict-item] # fields of a spec
        await self.kube.patch(RAYCLUSTERS, Key(self.witness.namespace, name), patch)


def lack_of(right: Right) -> str:
    verb, resource = right
    return f'cannot {verb} resource "{resource}"'


def said_of(witness: Witness, name: str) -> str:
    """What the conditions of a RayCluster say, and the events about it."""
    conditions = get_objects(witness.status(name), "conditions")
    events = [
        event
        for event in witness.all(EVENTS)
        if get_text(get_object(event, "regarding"), "name") == name
    ]
    said = [get_text(condition, "message") for condition in conditions]
    return "\n".join([*said, *(get_text(event, "note") for event in events)])


SetUp = Callable[[Iterable[Right]], contextlib.AbstractAsyncContextManager[Stage]]


@pytest.fixture
def stage(
    control_plane: ControlPlane,
    kube: Kube,
    namespace: str,
    caplog: pytest.LogCaptureFixture,
) -> SetUp:
    caplog.set_level(logging.WARNING)

    def logged(words: str) -> bool:
        return any(words in str(getattr(record, "fields", "")) for record in caplog.records)

    @contextlib.asynccontextmanager
    async def set_up(missing: Iterable[Right]) -> AsyncIterator[Stage]:
        limited = await a_limited(control_plane, kube, namespace, missing)
        async with (
            a_witness(kube, namespace) as witness,
            a_kubelet(kube, namespace),
            a_running_operator(limited.kubeconfig, namespace) as operator,
        ):
            operator.stop_at_once()
            yield Stage(limited, kube, witness, logged)

    return set_up


CREATIONS: Mapping[str, tuple[Right, ...]] = {
    "plain": (("create", "services"),),
    "scaled": (("create", "roles"), ("create", "serviceaccounts")),
    "secret": (("create", "secrets"),),
}


async def test_a_child_that_may_not_be_created_is_told_and_the_rest_is_made(stage: SetUp) -> None:
    async with stage([right for rights in CREATIONS.values() for right in rights]) as scene:
        await scene.apply("plain")
        await scene.apply("scaled", enableInTreeAutoscaling=True)
        await scene.apply("secret", authOptions={"mode": "token"})
        for name, rights in CREATIONS.items():
            for right in rights:
                await scene.until_told(name, right)
        await scene.witness.until("the head runs", lambda: scene.witness.pods("headgroup"))
        await scene.limited.grant_all()
        for name in CREATIONS:
            await scene.until_ready(name)


async def test_a_role_that_may_not_be_bound_is_told(stage: SetUp) -> None:
    right = ("create", "rolebindings")
    async with stage([right]) as scene:
        await scene.apply("scaled", enableInTreeAutoscaling=True)
        await scene.until_told("scaled", right)
        await scene.limited.grant_all()
        await scene.until_ready("scaled")


async def test_pods_that_may_not_be_created_are_told(stage: SetUp) -> None:
    right = ("create", "pods")
    async with stage([right]) as scene:
        await scene.apply("demo", groups=[a_group()])
        await scene.until_told("demo", right)
        await scene.witness.until("event", lambda: scene.witness.events("FailedToCreateHeadPod"))
        await scene.witness.until(
            "its Service", lambda: scene.witness.get(SERVICES, "demo-head-svc")
        )
        await scene.limited.grant_all()
        await scene.until_ready("demo")


async def test_what_may_not_be_deleted_or_changed_is_told(stage: SetUp) -> None:
    deletions = [("delete", kind) for kind in ("pods", "roles", "rolebindings", "serviceaccounts")]
    async with stage([*deletions, ("patch", "services")]) as scene:
        await scene.apply("small", groups=[a_group(replicas=2)])
        await scene.apply("scaled", enableInTreeAutoscaling=True)
        for name in ("small", "scaled"):
            await scene.until_ready(name)
        await scene.edit("small", workerGroupSpecs=[a_group(replicas=1)])
        await scene.until_told("small", ("delete", "pods"))
        await scene.edit("scaled", enableInTreeAutoscaling=False)
        for right in deletions[1:]:
            await scene.until_told("scaled", right)
        bent: JsonObject = {"spec": {"selector": {"x": "y"}}}
        await scene.kube.patch(SERVICES, Key(scene.witness.namespace, "small-head-svc"), bent)
        await scene.until_told("small", ("patch", "services"))
        await scene.limited.grant_all()
        await scene.witness.until("it shrinks", lambda: len(scene.witness.pods("small")) == 1)
        for name in ("small", "scaled"):
            await scene.until_ready(name)


async def test_a_status_and_events_that_may_not_be_written_stop_nothing_else(stage: SetUp) -> None:
    status, events = ("patch", "rayclusters/status"), ("create", "events")
    async with stage([status, events]) as scene:
        await scene.apply("demo", groups=[a_group()])
        await scene.witness.until("its pods", lambda: len(scene.witness.pods()) == 2)
        await scene.until_logged(status)
        await scene.until_logged(events)
        await scene.limited.grant_all()
        await scene.until_ready("demo")


NOT_NEEDED = ("serviceaccounts", "roles", "rolebindings", "poddisruptionbudgets", "nodes")


async def test_kinds_that_may_not_be_watched_are_named_and_the_others_do(stage: SetUp) -> None:
    kinds = (*NOT_NEEDED, "endpointslices", "rayservices")
    async with stage([(verb, kind) for verb in ("list", "watch") for kind in kinds]) as scene:
        await scene.apply("demo", groups=[a_group()])
        await scene.until_ready("demo")
        for kind in kinds:
            await scene.until_logged(("list", kind))


ESSENTIAL: tuple[Right, ...] = (("list", "pods"), ("watch", "services"), ("list", "rayclusters"))


async def test_without_sight_of_what_is_there_nothing_is_made_and_it_is_said_why(
    stage: SetUp,
) -> None:
    async with stage(ESSENTIAL) as scene:
        await scene.apply("demo")
        for right in ESSENTIAL:
            await scene.until_logged(right)
        assert not scene.witness.pods()
        await scene.limited.grant_all()
        await scene.until_ready("demo")


# -- RayServices


async def test_a_rayservice_names_what_it_may_not_do(
    scene: ServiceScene, control_plane: ControlPlane, kube: Kube, namespace: str
) -> None:
    rights: tuple[Right, ...] = (("create", "rayclusters"),)
    limited = await a_limited(control_plane, kube, namespace, rights)
    async with a_running_operator(
        limited.kubeconfig, namespace, locate=scene.rays.locate
    ) as operator:
        operator.stop_at_once()
        await scene.apply()
        await scene.until(lambda s: lack_of(rights[0]) in s.message(c.READY))
        await scene.until_warned(lack_of(rights[0]))
        await limited.grant_all()
        await scene.until(lambda s: s.is_running)
