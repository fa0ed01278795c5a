"""What holds for all tests: one API server a session, and hypothesis tries the same each time.

What hypothesis might find by chance belongs into a search, not into the check of somebody's change:
`pytest --hypothesis-profile=search test/unit`, and `make soak`.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ray_operator.operator.clock import SystemClock
from ray_operator.operator.introduction import check_version
from ray_operator.operator.kube import Kube, KubeOptions
from support.control_plane import ControlPlane, running_control_plane

_PATIENT = (HealthCheck.too_slow,)
"""A busy machine is no fault of a test's."""

settings.register_profile("search", deadline=None, suppress_health_check=_PATIENT)
settings.register_profile("repeat", deadline=None, suppress_health_check=_PATIENT, derandomize=True)
settings.load_profile("repeat")


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
