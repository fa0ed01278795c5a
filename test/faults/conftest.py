"""One API server for the session, and the table of what was tried at its end."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from faults.table import TABLE
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.introduction import check_version
from ray_operator.operator.kube import Kube, KubeOptions
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
    """An administrator's client in the test's event loop, past every fault."""
    kube = await Kube.connect(KubeOptions(kubeconfig=control_plane.kubeconfig), SystemClock())
    await check_version(kube)
    yield kube
    await kube.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let one combination be run again, and the random walk be longer."""
    parser.addoption("--combination", default="", help="a piece of a trouble's text")
    parser.addoption("--minutes", type=float, default=5.0, help="how long a soak lasts")
    parser.addoption("--seed", type=int, default=None, help="the soak's; without, a new one a walk")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if TABLE.tried:
        terminalreporter.section("faults by scenarios")
        for line in TABLE.lines():
            terminalreporter.line(line)
