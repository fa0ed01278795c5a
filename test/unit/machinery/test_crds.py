from collections.abc import AsyncIterator

import pytest

from ray_operator.operator import metrics
from ray_operator.operator.crds import check_crds
from ray_operator.operator.documents import JsonObject
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import Resource
from support.api_server import Answer, ApiServer, refusal, reply

THINGS = Resource("example.org", "v1", "things", "Thing")
PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.org"


@pytest.fixture
async def kube(server: ApiServer) -> AsyncIterator[Kube]:
    async with server.connected() as kube:
        yield kube


def a_crd(revision: str | None) -> JsonObject:
    return {"metadata": {"annotations": {"revision": revision} if revision else {}}}


@pytest.mark.parametrize(
    ("answer", "warned"),
    [
        pytest.param(reply(a_crd("2")), "", id="a current CRD"),
        pytest.param(reply(a_crd("3")), "", id="a newer CRD"),
        pytest.param(reply(a_crd("1")), "older than this operator", id="an older CRD"),
        pytest.param(reply(a_crd(None)), "older than this operator", id="a CRD of the peer"),
        pytest.param(refusal(404), "is missing", id="no CRD"),
        pytest.param(refusal(403), "", id="no permission to look"),
    ],
)
async def test_missing_and_old_crds_are_warned_of(
    server: ApiServer,
    kube: Kube,
    caplog: pytest.LogCaptureFixture,
    answer: Answer,
    warned: str,
) -> None:
    server.on("GET", PATH, answer)

    await check_crds(kube, [THINGS], "revision", 2)

    texts = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(texts) == bool(warned)
    assert warned in " ".join(texts)


async def test_an_old_crd_is_a_metric(server: ApiServer, kube: Kube) -> None:
    server.on("GET", PATH, reply(a_crd("1")))

    await check_crds(kube, [THINGS], "revision", 2)

    labels = {"kind": "Thing"}
    assert metrics.REGISTRY.get_sample_value("ray_operator_crd_outdated", labels) == 1
