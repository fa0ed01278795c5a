"""The peer's `kuberay_*` series, computed from the caches when somebody asks for them.

They carry names and UIDs, unlike our own: they are here so that dashboards made for the peer go on
working (operator.md §5.1).  A series ends with its object, because nothing is remembered.
Asked for in the side thread: the caches hand out tuples of frozen views, so that is safe.
"""

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ray_operator.api import conditions, labels
from ray_operator.controllers.caches import Caches
from ray_operator.controllers.views.resource import ResourceView

IDENTITY = ("name", "namespace", "uid")


class PeerMetrics(Collector):
    """Collects the series of RayClusters and RayServices."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Compute all series now."""
        clusters = self._caches.rayclusters.store.values()
        yield _cluster_info(clusters)
        yield _condition(
            "kuberay_cluster_condition_provisioned",
            "Whether all pods of the RayCluster have been ready once.",
            clusters,
            conditions.RAY_CLUSTER_PROVISIONED,
        )
        yield _provisioned_seconds(clusters)
        services = self._caches.rayservices.store.values()
        yield _service_info(services)
        yield _condition(
            "kuberay_service_condition_ready",
            "Whether the RayService serves.",
            services,
            conditions.READY,
        )
        yield _condition(
            "kuberay_service_condition_upgrade_in_progress",
            "Whether the RayService is moving to a new cluster.",
            services,
            conditions.UPGRADE_IN_PROGRESS,
        )


def _identity(view: ResourceView) -> list[str]:
    return [view.name, view.namespace, view.uid]


def _cluster_info(views: Iterable[ResourceView]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "kuberay_cluster_info", "One for each RayCluster.", labels=[*IDENTITY, "owner_kind"]
    )
    for view in views:
        owner = view.labels.get(labels.ORIGINATED_FROM_CRD, "None")
        family.add_metric([*_identity(view), owner], 1)
    return family


def _service_info(views: Iterable[ResourceView]) -> GaugeMetricFamily:
    family = GaugeMetricFamily("kuberay_service_info", "One for each RayService.", labels=IDENTITY)
    for view in views:
        family.add_metric(_identity(view), 1)
    return family


def _condition(
    name: str, text: str, views: Iterable[ResourceView], type_: str
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[*IDENTITY, "condition"])
    for view in views:
        condition = view.condition(type_)
        holds = condition is not None and condition.is_true
        family.add_metric([*_identity(view), "true" if holds else "false"], 1)
    return family


def _provisioned_seconds(views: Iterable[ResourceView]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "kuberay_cluster_provisioned_duration_seconds",
        "Time from the RayCluster's creation until all its pods were ready for the first time.",
        labels=IDENTITY,
    )
    for view in views:
        found = view.condition(conditions.RAY_CLUSTER_PROVISIONED)
        if found and found.is_true and found.since and view.created:
            family.add_metric(_identity(view), (found.since - view.created).total_seconds())
    return family
