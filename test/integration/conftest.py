"""Fixtures for tests against a real API server: one a session, a namespace and a client a test."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ray_operator.operator.clock import SystemClock
from ray_operator.operator.introduction import check_version
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.resources import NAMESPACES
from support.control_plane import ControlPlane, running_control_plane


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A running kube-apiserver with our CRDs."""
    folder: Path = tmp_path_factory.mktemp("control-plane")
    with running_control_plane(folder) as plane:
        plane.apply_crds()
        yield plane


@pytest.fixture
async def kube(control_plane: ControlPlane) -> AsyncIterator[Kube]:
    """An administrator's client in the test's event loop."""
    kube = await Kube.connect(KubeOptions(kubeconfig=control_plane.kubeconfig), SystemClock())
    await check_version(kube)
    yield kube
    await kube.close()


@pytest.fixture
async def namespace(kube: Kube) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    name = f"test-{secrets.token_hex(4)}"
    await kube.create(NAMESPACES, {"metadata": {"name": name}})
    yield name
    await kube.delete(NAMESPACES, Key("", name))
