"""Who takes requests: Ray's word, else each proxy's own, else nothing changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from ray_operator.controllers.dashboard.errors import Trouble
from ray_operator.controllers.dashboard.observation import Failure, Observation, RayView
from ray_operator.controllers.dashboard.reports import ProxyHealth, ProxyReport, ServeReport
from ray_operator.controllers.rayservice.observed import ClusterSeen
from ray_operator.controllers.rayservice.serving import label_pods
from ray_operator.controllers.views.pod import PodView
from ray_operator.operator.keys import ObjectRef
from support.builders import a_cluster, a_group, a_pod, seen

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REF = ObjectRef("ray.io/v1", "RayCluster", "ns1", "demo", "u1")
HEAD_IP, WORKER_IP = "10.0.0.1", "10.0.0.2"


def a_head_pod(serve: str = "false") -> PodView:
    return a_pod("head", group="headgroup", labels={"ray.io/serve": serve}, podIP=HEAD_IP)


def a_worker_pod(serve: str = "false", *, terminating: bool = False) -> PodView:
    labels = {"ray.io/serve": serve}
    return a_pod("worker", labels=labels, podIP=WORKER_IP, terminating=terminating)


def saying(**proxies: str) -> Observation:
    ips = {"head": HEAD_IP, "worker": WORKER_IP}
    listed = tuple(ProxyReport(ips[pod], status) for pod, status in proxies.items())
    return Observation(NOW, NOW, report=ServeReport(proxies=listed))


def silent(**proxies: ProxyHealth) -> Observation:
    return Observation(NOW, failure=Failure(Trouble.TIMEOUT, "no answer"), proxies=proxies)


@dataclass(frozen=True)
class Case:
    observation: Observation | None
    pods: tuple[PodView, ...] = (a_head_pod(), a_worker_pod())
    excludes_head: bool = False
    workers: int = 1
    want: Mapping[str, bool] = field(default_factory=dict)


CASES: Mapping[str, Case] = {
    "nothing is known": Case(None),
    "healthy proxies serve": Case(
        saying(head="HEALTHY", worker="HEALTHY"), want={"head": True, "worker": True}
    ),
    "a pod without a proxy does not serve": Case(
        saying(head="HEALTHY"),
        pods=(a_head_pod(), a_worker_pod("true")),
        want={"head": True, "worker": False},
    ),
    "a draining proxy is taken out": Case(
        saying(head="HEALTHY", worker="DRAINING"),
        pods=(a_head_pod("true"), a_worker_pod("true")),
        want={"worker": False},
    ),
    "what is as it should be is left alone": Case(
        saying(head="HEALTHY", worker="HEALTHY"), pods=(a_head_pod("true"), a_worker_pod("true"))
    ),
    "without the head's word each proxy speaks for itself": Case(
        silent(head=ProxyHealth.REFUSED, worker=ProxyHealth.OK),
        pods=(a_head_pod("true"), a_worker_pod("true")),
        want={"head": False},
    ),
    "a proxy that says nothing either stays as it is": Case(
        silent(head=ProxyHealth.SILENT, worker=ProxyHealth.SILENT),
        pods=(a_head_pod("true"), a_worker_pod("false")),
    ),
    "an excluded head is taken out": Case(
        saying(head="HEALTHY", worker="HEALTHY"),
        pods=(a_head_pod("true"), a_worker_pod("true")),
        excludes_head=True,
        want={"head": False},
    ),
    "a head that is alone serves although it is excluded": Case(
        saying(head="HEALTHY"),
        pods=(a_head_pod(),),
        excludes_head=True,
        workers=0,
        want={"head": True},
    ),
    "a terminating pod is left alone": Case(
        saying(head="HEALTHY"),
        pods=(a_head_pod("true"), a_worker_pod("true", terminating=True)),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_pods_are_labelled_by_what_their_proxies_do(case: Case) -> None:
    cluster = ClusterSeen(
        cluster=seen(a_cluster(groups=[a_group(replicas=case.workers)])),
        ref=REF,
        pods=case.pods,
        ray=RayView(case.observation),
    )
    changes = label_pods(cluster, excludes_head=case.excludes_head)
    assert {change.pod.name: change.serves for change in changes} == case.want
