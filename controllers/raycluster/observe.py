"""Gathers what a pass must know; the raw stops here."""

from dataclasses import dataclass
from datetime import timedelta

from ray_operator.api import names
from ray_operator.api.conditions import parse_conditions
from ray_operator.controllers.caches import Caches
from ray_operator.controllers.manifests import authentication
from ray_operator.controllers.manifests.cluster import Cluster
from ray_operator.controllers.raycluster.drawings import Drawing, Drawings
from ray_operator.controllers.raycluster.existence import Existence
from ray_operator.controllers.raycluster.observed import (
    HEAD_LANE,
    Children,
    Observed,
    Phase,
    Policy,
    Presence,
    group_lane,
)
from ray_operator.controllers.unseen_services import UnseenServices
from ray_operator.controllers.views.node import NodeView
from ray_operator.controllers.views.ownership import controller_of
from ray_operator.controllers.views.pod import PodView
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.controllers.views.service import ServiceView
from ray_operator.operator.documents import (
    JsonObject,
    get_object,
    get_objects,
    get_text,
)
from ray_operator.operator.expectations import Expectations, Sight
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import PODS, SECRETS, SERVICEACCOUNTS

_WHILE_MAKING_PODS = timedelta(seconds=10)
_AT_REST = timedelta(seconds=240)
"""Shorter than the resync, so that each resync looks anew."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Where observations come from."""

    caches: Caches
    drawings: Drawings
    existence: Existence
    unseen: UnseenServices
    expectations: Expectations
    kube: Kube
    policy: Policy

    async def observe(self, view: ResourceView) -> Observed:
        """Return what is known about a RayCluster.

        Everything is in memory, but for objects that are read one by one (a token's Secret, a
        user's ServiceAccount, a Service that the cache doesn't show) and the proof that a suspended
        cluster has no pods.
        """
        drawing = self.drawings.of(view)
        cluster, pods = drawing.cluster, self.caches.pods_of(view.uid)
        status = view.status()
        seen = Observed(
            cluster=cluster,
            blueprint=drawing.blueprint,
            policy=self.policy,
            status=status,
            conditions=parse_conditions(get_objects(status, "conditions")),
            problem=drawing.problem,
            notices=drawing.notices,
            pods=pods,
            taken_names=frozenset(pod.name for pod in self.caches.pods_labelled(view.key)),
            children=self._children(drawing, await self.unseen.of(view.ref, self.caches.service)),
            nodes=self._nodes(pods),
            knows_nodes=self.caches.knows_nodes,
            unsettled=self._unsettled(view.key, cluster, pods),
            token=await self._token(cluster, pods),
            own_account=await self._own_account(cluster, pods),
        )
        return await self._with_proof(seen)

    def _children(self, drawing: Drawing, unseen: tuple[ServiceView, ...]) -> Children:
        cluster, caches = drawing.cluster, self.caches
        account = Key(cluster.namespace, names.autoscaler_account(cluster.name))
        budget = Key(cluster.namespace, names.head_disruption_budget(cluster.name))
        return Children(
            services={**self._services(drawing), **{view.name: view for view in unseen}},
            account=caches.accounts.store.get(account),
            role=caches.roles.store.get(account),
            binding=caches.bindings.store.get(account),
            budget=caches.budgets.store.get(budget),
        )

    def _nodes(self, pods: tuple[PodView, ...]) -> dict[str, NodeView]:
        names_of_nodes = {pod.node for pod in pods if pod.node}
        found = ((name, self.caches.node(name)) for name in names_of_nodes)
        return {name: node for name, node in found if node is not None}

    def _services(self, drawing: Drawing) -> dict[str, ServiceView]:
        found = {service.name: service for service in self.caches.services_of(drawing.cluster.uid)}
        for manifest in drawing.blueprint.services:
            name = get_text(get_object(manifest, "metadata"), "name")
            service = self.caches.service(Key(drawing.cluster.namespace, name))
            if service is not None:
                found[name] = service
        return found

    def _unsettled(
        self,
        key: Key,
        cluster: Cluster,
        pods: tuple[PodView, ...],
    ) -> frozenset[str]:
        if not self.expectations.is_waiting(key):
            return frozenset()
        sight = Sight(
            names=frozenset(pod.name for pod in pods),
            living=frozenset(pod.uid for pod in pods if not pod.is_terminating),
        )
        groups = {group.name for group in cluster.workers} | {p.group for p in pods if p.is_worker}
        lanes = [HEAD_LANE, *(group_lane(group) for group in groups)]
        return frozenset(lane for lane in lanes if not self.expectations.settled(key, lane, sight))

    async def _token(self, cluster: Cluster, pods: tuple[PodView, ...]) -> Presence:
        named = get_text(cluster.auth_options, "secretName")
        if named or not authentication.needs_secret(cluster, self.policy.build):
            return Presence.OURS
        key = Key(cluster.namespace, names.auth_secret(cluster.name))
        return await self.existence.of(SECRETS, key, cluster.uid, _max_age(cluster, pods))

    async def _own_account(self, cluster: Cluster, pods: tuple[PodView, ...]) -> Presence:
        if not (cluster.has_autoscaler and cluster.has_own_account):
            return Presence.OURS
        key = Key(cluster.namespace, cluster.account_name)
        age = _max_age(cluster, pods)
        return await self.existence.of(SERVICEACCOUNTS, key, cluster.uid, age)

    async def _with_proof(self, seen: Observed) -> Observed:
        """A cache may be behind: only a list from the API server shows that no pod is left."""
        if seen.phase is not Phase.SUSPENDING or seen.pods:
            return seen
        return seen.with_proof(is_empty=await self._has_no_pods(seen.cluster))

    async def _has_no_pods(self, cluster: Cluster) -> bool:
        selector = f"ray.io/cluster={cluster.name}"
        pages = self.kube.list_pages(PODS, namespace=cluster.namespace, selector=selector)
        async for page in pages:
            if any(_is_owned(item, cluster.uid) for item in page.items):
                return False
        return True


def _is_owned(document: JsonObject, uid: str) -> bool:
    owner = controller_of(get_object(document, "metadata"))
    return owner is not None and owner.uid == uid


def _max_age(cluster: Cluster, pods: tuple[PodView, ...]) -> timedelta:
    live = sum(pod.is_live for pod in pods)
    return _AT_REST if live >= cluster.desired_workers + 1 else _WHILE_MAKING_PODS
