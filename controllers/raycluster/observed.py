"""What a pass knows, in our own words: frozen, and gathered before anything is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from ray_operator.api import conditions as kinds_of_condition
from ray_operator.api.conditions import Condition, find_condition, is_condition_true
from ray_operator.api.kinds import RAY_CLUSTER
from ray_operator.api.problems import Notice, Problem
from ray_operator.controllers.manifests.cluster import Cluster
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.raycluster.blueprint import Blueprint
from ray_operator.controllers.views.child import ChildView
from ray_operator.controllers.views.node import NodeView
from ray_operator.controllers.views.ownership import Owner
from ray_operator.controllers.views.pod import PodView
from ray_operator.controllers.views.service import ServiceView
from ray_operator.operator.documents import JsonObject

HEAD_LANE = "head"


def group_lane(group: str) -> str:
    """Return the lane in which the pods of a worker group are made and deleted."""
    return f"workers/{group}"


class Presence(StrEnum):
    """Whether an object that we don't watch exists, as far as we could find out."""

    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"


class Phase(StrEnum):
    """Where the cluster stands between running and suspended (raycluster.md 8.1)."""

    RUNNING = "running"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the installation lets policies do."""

    build: BuildOptions = field(default_factory=BuildOptions)
    random_pod_delete: bool = False
    """Whether pods are removed to shrink a group although Ray's autoscaler is in charge."""
    conditions: bool = True
    """Whether conditions are kept (gate RayClusterStatusConditions)."""


@dataclass(frozen=True, slots=True)
class Children:
    """Objects that exist under the names of this cluster's children, whoever owns them."""

    services: Mapping[str, ServiceView] = field(default_factory=dict)
    account: ChildView | None = None
    role: ChildView | None = None
    binding: ChildView | None = None
    budget: ChildView | None = None


@dataclass(frozen=True)
class Observed:
    """Everything that a decision about one RayCluster may depend on.

    It lives for one pass.  It has no slots, so that what all policies ask for is worked out once.

    `pods` are those that this cluster owns, finished and terminating ones included.  `taken_names`
    are the names of all pods that carry its label.  `unsettled` lanes wait for the cache to show
    what was done there.  `token` and `own_account` tell of objects that are read one by one.
    `nodes` are those of the pods; without permission to read nodes, `knows_nodes` is false.
    `confirmed_empty` is whether a live list, not the cache, showed no pods; `None`: not asked.
    """

    cluster: Cluster
    blueprint: Blueprint
    policy: Policy = field(default_factory=Policy)
    status: JsonObject = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    problem: Problem | None = None
    notices: tuple[Notice, ...] = ()
    pods: tuple[PodView, ...] = ()
    taken_names: frozenset[str] = frozenset()
    children: Children = field(default_factory=Children)
    nodes: Mapping[str, NodeView] = field(default_factory=dict)
    knows_nodes: bool = False
    unsettled: frozenset[str] = frozenset()
    token: Presence = Presence.OURS
    own_account: Presence = Presence.OURS
    confirmed_empty: bool | None = None

    @property
    def uid(self) -> str:
        """The RayCluster's UID."""
        return self.cluster.uid

    @cached_property
    def phase(self) -> Phase:
        """Where the cluster stands, from what was written down."""
        if is_condition_true(self.conditions, kinds_of_condition.RAY_CLUSTER_SUSPENDING):
            return Phase.SUSPENDING
        if is_condition_true(self.conditions, kinds_of_condition.RAY_CLUSTER_SUSPENDED):
            return Phase.SUSPENDED
        return Phase.RUNNING

    def is_of_former_life(self, owner: Owner | None) -> bool:
        """Tell whether something belongs to a deleted RayCluster of the same name."""
        return (
            owner is not None
            and owner.kind == RAY_CLUSTER.name
            and owner.name == self.cluster.name
            and owner.uid != self.uid
        )

    def with_proof(self, *, is_empty: bool) -> "Observed":
        """Return the same with what a live list of the pods showed."""
        return replace(self, confirmed_empty=is_empty)

    def condition(self, type_: str) -> Condition | None:
        """Return one of the conditions that were written down."""
        return find_condition(self.conditions, type_)

    @cached_property
    def live_pods(self) -> tuple[PodView, ...]:
        """The pods that count."""
        return tuple(pod for pod in self.pods if pod.is_live)

    @cached_property
    def heads(self) -> tuple[PodView, ...]:
        """The head pods, finished and terminating ones included."""
        return tuple(pod for pod in self.pods if pod.is_head)

    @cached_property
    def head(self) -> PodView | None:
        """The head that answers: the oldest ready one, else the oldest live one."""
        return best_head(self.heads)

    @cached_property
    def workers(self) -> tuple[PodView, ...]:
        """The worker pods, finished and terminating ones included."""
        return tuple(pod for pod in self.pods if pod.is_worker)

    def pods_of(self, group: str) -> tuple[PodView, ...]:
        """Return the worker pods of a group, finished and terminating ones included."""
        return tuple(pod for pod in self.workers if pod.group == group)

    @property
    def head_service(self) -> ServiceView | None:
        """The Service in front of the head, if it is ours."""
        found = self.children.services.get(self.cluster.head_service_name)
        return found if found is not None and found.owner_uid == self.uid else None


def best_head(heads: tuple[PodView, ...]) -> PodView | None:
    """Return the head to keep: the oldest ready one, else the oldest live one; `None` if none."""
    live = [pod for pod in heads if pod.is_live]
    ranked = sorted(live, key=lambda pod: (not pod.is_ready, pod.created_at, pod.name))
    return ranked[0] if ranked else None
