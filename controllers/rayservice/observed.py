"""What is seen of one RayService at one moment: frozen, in our own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ray_operator.api import annotations, conditions
from ray_operator.api.conditions import Condition, find_condition, is_condition_true
from ray_operator.api.problems import Problem
from ray_operator.api.times import parse_time
from ray_operator.controllers.dashboard.observation import UNSEEN, Accepted, RayView
from ray_operator.controllers.dashboard.reports import ServeReport
from ray_operator.controllers.manifests.cluster import Cluster
from ray_operator.controllers.rayservice.desired import Desired, Options
from ray_operator.controllers.rayservice.recorded import Submitted, read_submitted
from ray_operator.controllers.views.endpointslice import Endpoint
from ray_operator.controllers.views.pod import PodView
from ray_operator.controllers.views.service import ServiceView
from ray_operator.operator.documents import JsonObject
from ray_operator.operator.keys import ObjectRef


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    """One RayCluster of the service, with its pods and what its Ray says."""

    cluster: Cluster
    ref: ObjectRef
    status: JsonObject = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    created: datetime | None = None
    is_terminating: bool = False
    pods: tuple[PodView, ...] = ()
    ray: RayView = UNSEEN

    @property
    def name(self) -> str:
        """The RayCluster's name."""
        return self.cluster.name

    @property
    def uid(self) -> str:
        """The RayCluster's UID."""
        return self.cluster.uid

    @property
    def annotations(self) -> Mapping[str, str]:
        """The RayCluster's annotations: what it was built from and what was sent to it."""
        return self.cluster.annotations

    @property
    def spec_hash(self) -> str:
        """The hash of the spec that it was built from, as it was written down."""
        return self.annotations.get(annotations.SPEC_HASH, "")

    @property
    def assigned_hash(self) -> str:
        """The hash of the Serve config that this cluster is to run."""
        return self.annotations.get(annotations.SERVE_CONFIG_HASH, "")

    @property
    def delete_after(self) -> datetime | None:
        """When it may be deleted; None while nobody wants that."""
        return parse_time(self.annotations.get(annotations.DELETE_AFTER, ""))

    @property
    def left_traffic_at(self) -> datetime | None:
        """Since when it has no part in the service; None while it has."""
        return parse_time(self.annotations.get(annotations.LEFT_TRAFFIC_AT, ""))

    @property
    def live_pods(self) -> tuple[PodView, ...]:
        """The pods that count."""
        return tuple(pod for pod in self.pods if pod.is_live)

    @property
    def head(self) -> PodView | None:
        """The head pod, unless it is on its way out."""
        return next((pod for pod in self.live_pods if pod.is_head), None)

    @property
    def head_restarts(self) -> int:
        """How often the Ray container of the head was started anew."""
        state = self.head.ray_state if self.head else None
        return state.restarts if state is not None else 0

    @property
    def is_head_ready(self) -> bool:
        """Whether Ray can be told something."""
        head = self.head
        return head is not None and head.is_ready

    @property
    def report(self) -> ServeReport | None:
        """What Ray says about Serve; None while it says nothing."""
        observation = self.ray.observation
        return observation.report if observation else None

    @property
    def submitted(self) -> Submitted | None:
        """The last submission that Ray took: as we know it, else as it was written down."""
        outcome = self.ray.outcome
        if isinstance(outcome, Accepted):
            return Submitted(
                config_hash=outcome.config_hash,
                head_uid=outcome.head_uid,
                head_restarts=outcome.head_restarts,
                time=outcome.at,
            )
        return self.recorded_submission

    @property
    def recorded_submission(self) -> Submitted | None:
        """The last submission that was written down on the cluster."""
        return read_submitted(self.annotations.get(annotations.SERVE_CONFIG_SUBMITTED, ""))

    @property
    def has_served(self) -> bool:
        """Whether it may have answered requests: a Serve config was once accepted."""
        return self.submitted is not None


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the active and the pending cluster; "" for none."""

    active: str = ""
    pending: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that a plan may depend on.

    `desired` is the problem if the spec is invalid.  `fresh_name` is what a new cluster would be
    called.  `names` is what the status says; `active` and `pending` are the clusters of these
    names, None where there is none (or it is being deleted); `others` are all further ones.
    `watched_since` is when an operator came to work after none did, None if that did not happen.
    """

    ref: ObjectRef
    generation: int
    desired: Desired | Problem
    fresh_name: str
    options: Options = field(default_factory=Options)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    wants_suspend: bool = False
    created: datetime | None = None
    status: JsonObject = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    names: Names = field(default_factory=Names)
    active: ClusterSeen | None = None
    pending: ClusterSeen | None = None
    others: tuple[ClusterSeen, ...] = ()
    services: tuple[ServiceView, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    watched_since: datetime | None = None

    @property
    def name(self) -> str:
        """The RayService's name."""
        return self.ref.name

    @property
    def namespace(self) -> str:
        """The RayService's namespace."""
        return self.ref.namespace

    @property
    def clusters(self) -> tuple[ClusterSeen, ...]:
        """Every cluster of the service that exists."""
        named = (c for c in (self.active, self.pending) if c is not None)
        return (*named, *self.others)

    @property
    def num_serve_endpoints(self) -> int:
        """How many pods answer behind the serve Service."""
        return len({endpoint.uid for endpoint in self.endpoints if endpoint.is_ready})

    def service(self, name: str) -> ServiceView | None:
        """Return the Service of that name, whoever owns it."""
        return next((service for service in self.services if service.name == name), None)

    def condition(self, type_: str) -> Condition | None:
        """Return a condition as it stands in the status."""
        return find_condition(self.conditions, type_)

    def has(self, type_: str) -> bool:
        """Tell whether a condition stands as True in the status."""
        return is_condition_true(self.conditions, type_)

    @property
    def was_ready(self) -> bool:
        """Whether requests were ever answered since the last (re)start."""
        ready = self.condition(conditions.READY)
        if ready is None:
            return False
        return ready.is_true or ready.reason == conditions.ZERO_SERVE_ENDPOINTS
