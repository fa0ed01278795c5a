"""Fixtures for tests against a real API server: a namespace a test, and who acts in it."""

import secrets
from collections.abc import AsyncIterator

import pytest

from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import NAMESPACES
from support.control_plane import ControlPlane
from support.kubelet import Kubelet, a_kubelet
from support.operator_in_process import a_running_operator
from support.service_scene import ServiceScene, a_service_scene
from support.witness import Witness, a_witness


@pytest.fixture
async def namespace(kube: Kube) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    name = f"test-{secrets.token_hex(4)}"
    await kube.create(NAMESPACES, {"metadata": {"name": name}})
    yield name
    await kube.delete(NAMESPACES, Key("", name))


@pytest.fixture
async def witness(kube: Kube, namespace: str) -> AsyncIterator[Witness]:
    """Sees what becomes of the namespace."""
    async with a_witness(kube, namespace) as witness:
        yield witness


@pytest.fixture
async def kubelet(kube: Kube, namespace: str) -> AsyncIterator[Kubelet]:
    """Plays the node of the namespace."""
    async with a_kubelet(kube, namespace) as kubelet:
        yield kubelet


@pytest.fixture
async def operator(control_plane: ControlPlane, namespace: str) -> AsyncIterator[None]:
    """Both controllers at work on the namespace."""
    async with a_running_operator(control_plane.kubeconfig, namespace):
        yield


@pytest.fixture
async def scene(
    control_plane: ControlPlane, kube: Kube, namespace: str
) -> AsyncIterator[ServiceScene]:
    """Everything that a RayService meets, but the operator."""
    async with a_service_scene(control_plane, kube, namespace) as made:
        yield made
