"""A RayCluster comes out the same, whatever goes wrong between the operator and the API server.

Each test is one scenario with one family of faults, at every place where they matter.  All run
beside each other in one event loop; a test that fails lists every combination that did not hold.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from faults.matrix import Matrix
from faults.scenarios import SCENARIOS, Scenario
from faults.troubles import FAMILIES, Family
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.introduction import check_version
from ray_operator.operator.kube import Kube, KubeOptions
from support.control_plane import ControlPlane

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    # All rows run beside each other: the first test may have to wait for all of them.
    pytest.mark.timeout(1800),
]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def matrix(
    control_plane: ControlPlane, request: pytest.FixtureRequest
) -> AsyncIterator[Matrix]:
    """Everything that this session is to try, begun."""
    kube = await Kube.connect(KubeOptions(kubeconfig=control_plane.kubeconfig), SystemClock())
    await check_version(kube)
    matrix = Matrix(control_plane, kube, request.config.getoption("--combination", default=""))
    for item in request.session.items:
        if isinstance(item, pytest.Function) and "matrix" in item.fixturenames:
            matrix.begin(*_row_of(item))
    yield matrix
    await matrix.stop()
    await kube.close()


def _row_of(item: pytest.Function) -> tuple[Scenario, Family]:
    scenario, family = item.callspec.params["scenario"], item.callspec.params["family"]
    assert isinstance(scenario, Scenario)
    return scenario, next(each for each in FAMILIES if each is family)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name.replace(" ", "-"))
async def test_the_end_is_the_same(matrix: Matrix, scenario: Scenario, family: Family) -> None:
    failures = await matrix.failures(scenario, family)
    assert not failures, "\n".join(["", *failures])
