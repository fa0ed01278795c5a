"""A small world for one RayService: API objects, a kubelet and Rays, all in memory and on a clock.

`turn()` is one pass of the operator followed by two seconds of the world.  The operator's memory
(what Ray answered) can be taken away between any two writes, as a kill would: `die_after_write`.
Everything of ours that it runs is real: observe, plan, steps, report; played are the API server
(merge patches on plain documents), the RayCluster controller, the kubelet, kube-proxy and Ray.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import yaml

from ray_operator.api import labels
from ray_operator.api.times import format_time
from ray_operator.controllers.dashboard.errors import Trouble
from ray_operator.controllers.dashboard.observation import (
    Accepted,
    Failure,
    Observation,
    Outcome,
    RayView,
    Refused,
)
from ray_operator.controllers.dashboard.reports import ProxyHealth, ServeReport, parse_report
from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.controllers.rayservice.actions import Submit, steps_of
from ray_operator.controllers.rayservice.desired import Options
from ray_operator.controllers.rayservice.milestones import Milestones, milestones
from ray_operator.controllers.rayservice.observe import Reading, Sources, observe
from ray_operator.controllers.rayservice.plan import plan
from ray_operator.controllers.rayservice.reader import Reader
from ray_operator.controllers.rayservice.status import report
from ray_operator.controllers.views import endpointslice, pod, resource, service
from ray_operator.controllers.views.endpointslice import EndpointSliceView
from ray_operator.controllers.views.pod import PodView
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.controllers.views.service import ServiceView
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    copy_document,
    get_int,
    get_object,
    get_objects,
    get_text,
    get_texts,
)
from ray_operator.operator.keys import Key
from ray_operator.operator.resources import PODS, SERVICES, Resource
from ray_operator.operator.statuses import status_changes
from ray_operator.operator.writes import Create, Delete, MergePatch, Write

NAMESPACE = "default"
UID = "uid-of-the-service"
TICK = timedelta(seconds=2)

FRUIT = "fruit.deployment_graph"
SERVE_CONFIG = """
applications:
  - name: fruit_app
    import_path: fruit.deployment_graph
    route_prefix: /fruit
    deployments:
      - {name: MangoStand, num_replicas: 1, user_config: {price: 3}}
  - name: math_app
    import_path: conditional_dag.serve_dag
    route_prefix: /calc
    deployments:
      - {name: Adder, num_replicas: 1}
"""


def a_service_spec(**changes: JsonValue) -> dict[str, JsonValue]:
    """The spec of a RayService with two applications, a head and one worker."""
    return {
        "serveConfigV2": SERVE_CONFIG,
        "rayClusterConfig": {
            "rayVersion": "2.6.3",
            "headGroupSpec": {"template": _template("ray-head")},
            "workerGroupSpecs": [a_worker_group()],
        },
        **changes,
    }


def a_worker_group(name: str = "small-group", replicas: int = 1) -> dict[str, JsonValue]:
    """A worker group of that many pods."""
    return {
        "groupName": name,
        "replicas": replicas,
        "minReplicas": 1,
        "maxReplicas": 5,
        "template": _template("ray-worker"),
    }


def _template(container: str) -> JsonObject:
    return {"spec": {"containers": [{"name": container, "image": "rayproject/ray:2.6.3"}]}}


class OperatorDied(Exception):  # noqa: N818 - it is an event, not an error
    """The operator was killed right after a write."""


@dataclass
class FakeRay:
    """The Ray of one cluster, and what the operator's memory holds of it."""

    config: JsonObject | None = None
    told: int = 0
    looks: int = 0
    outcome: Outcome | None = None
    observation: Observation | None = None
    baseline: ServeReport | None = None

    def forget(self) -> None:
        """Lose the operator's memory; what Ray runs stays."""
        self.outcome = None
        self.observation = None
        self.baseline = None


@dataclass
class World:
    """Everything outside of the operator.  The fields that tests set are the script.

    `bad_images` never start; `silent` and `ill` are clusters whose dashboard does not answer, whose
    applications fail; `normalises` makes Ray report configs in a form of its own; `broken_imports`
    maps an import path to Ray's message; `rejects` is
    the text with which Ray refuses every config.
    """

    spec: dict[str, JsonValue] = field(default_factory=a_service_spec)
    annotations: dict[str, str] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    bad_images: set[str] = field(default_factory=set)
    broken_imports: dict[str, str] = field(default_factory=dict)
    unhealthy_proxies: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    ill: set[str] = field(default_factory=set)
    normalises: bool = False
    requests_in_flight: bool = False
    rejects: str = ""
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    generation: int = 1
    status: dict[str, JsonValue] = field(default_factory=dict)
    rays: dict[str, FakeRay] = field(default_factory=dict)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    milestones: list[Milestones] = field(default_factory=list)
    die_after_write: int | None = None
    check: Callable[["World"], None] = lambda _: None
    _documents: dict[tuple[str, str], dict[str, JsonValue]] = field(default_factory=dict)
    _reader: Reader = field(init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self._reader = Reader(self.options)

    # --- what a user does ---------------------------------------------------------------------
    def edit(self, **changes: JsonValue) -> None:
        """Change fields of the spec, as `kubectl apply` would."""
        self.spec = {**self.spec, **changes}
        self.generation += 1

    def edit_cluster(self, **changes: JsonValue) -> None:
        """Change fields of rayClusterConfig."""
        self.edit(rayClusterConfig={**get_object(self.spec, "rayClusterConfig"), **changes})

    def set_image(self, image: str) -> None:
        """Change the head's image."""
        template: JsonObject = {"spec": {"containers": [{"name": "ray-head", "image": image}]}}
        self.edit_cluster(headGroupSpec={"template": template})

    # --- what a test asks ---------------------------------------------------------------------
    @property
    def active(self) -> str:
        """The name of the active cluster in the status."""
        return get_text(get_object(self.status, "activeServiceStatus"), "rayClusterName")

    @property
    def pending(self) -> str:
        """The name of the pending cluster in the status."""
        return get_text(get_object(self.status, "pendingServiceStatus"), "rayClusterName")

    @property
    def clusters(self) -> tuple[str, ...]:
        """The names of all RayClusters."""
        return tuple(name for plural, name in self._documents if plural == "rayclusters")

    @property
    def is_running(self) -> bool:
        """Whether the status says that the service serves."""
        return self.status.get("serviceStatus") == "Running"

    def condition(self, type_: str) -> JsonObject:
        """Return a condition of the status; empty if there is none."""
        listed = get_objects(self.status, "conditions")
        return next((c for c in listed if c["type"] == type_), {})

    def selected(self, name: str) -> str:
        """Return the cluster that a Service selects; "" if there is no such Service."""
        found = self._documents.get(("services", name), {})
        return get_texts(get_object(found, "spec"), "selector").get(labels.CLUSTER, "")

    def config_of(self, cluster: str) -> JsonObject | None:
        """Return the config that a cluster's Ray runs."""
        return self.rays[self._uid("rayclusters", cluster)].config

    def ray(self, cluster: str) -> FakeRay:
        """Return the Ray of a cluster."""
        return self.rays[self._uid("rayclusters", cluster)]

    def tamper(self, cluster: str, **changes: JsonValue) -> None:
        """Change the first application of a cluster in Ray, behind the operator's back."""
        ray = self.ray(cluster)
        (first, *others) = get_objects(ray.config or {}, "applications")
        ray.config = {**(ray.config or {}), "applications": [{**first, **changes}, *others]}

    def lose_applications(self, cluster: str) -> None:
        """Let Ray forget everything that it was told."""
        self.ray(cluster).config = None

    def point(self, name: str, cluster: str) -> None:
        """Let a Service select another cluster."""
        found = self._documents["services", name]
        patch: JsonObject = {"spec": {"selector": {labels.CLUSTER: cluster}}}
        self._documents["services", name] = _merged(found, patch)

    def bring_late(self, cluster: str) -> None:
        """Let a creation that was under way arrive now."""
        self._create(RAYCLUSTERS, {"metadata": {"namespace": NAMESPACE, "name": cluster}})

    def begin_deletion(self, cluster: str) -> None:
        """Let somebody else delete a cluster; a finalizer keeps it until `end_deletion`."""
        found = self._documents["rayclusters", cluster]
        patch: JsonObject = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
        self._documents["rayclusters", cluster] = _merged(found, patch)

    def end_deletion(self, cluster: str) -> None:
        """Let it be gone."""
        self._delete(RAYCLUSTERS, cluster)

    def document(self, plural: str, name: str) -> JsonObject:
        """Return an object as it is stored; empty if there is none."""
        return self._documents.get((plural, name), {})

    def reasons(self) -> list[str]:
        """Return the reasons of all events so far."""
        return [reason for _, reason, _ in self.events]

    # --- time ---------------------------------------------------------------------------------
    def turn(self) -> None:
        """Let the operator make one pass, then let two seconds pass in the world.

        If it dies, a new one stands in its place, without its memory.
        """
        try:
            self._reconcile()
        except OperatorDied:
            self.restart_operator()
        self._pass_time()

    def settle(self, until: Callable[["World"], bool], turns: int = 80) -> None:
        """Take turns until something is so."""
        for _ in range(turns):
            self.turn()
            if until(self):
                return
        raise AssertionError(f"it did not come about: {self.status} {self.writes[-10:]}")

    def rest(self, turns: int = 5) -> int:
        """Take turns and return how many writes they made."""
        before = len(self.writes)
        for _ in range(turns):
            self.turn()
        return len(self.writes) - before

    def restart_operator(self) -> None:
        """Take the operator's memory away."""
        for ray in self.rays.values():
            ray.forget()

    # --- the operator -------------------------------------------------------------------------
    def _reconcile(self) -> None:
        sources = Sources(self, self, Reading(self._reader, self.options))
        seen = observe(self.rayservice(), sources)
        step = plan(seen, self.now)
        for planned in steps_of(step.actions):
            self._apply(planned.write)
            if planned.done is not None:
                note = planned.done
                self.events.append((note.type, note.reason, note.message))
            self._written(planned.text)
        for action in step.actions:
            if isinstance(action, Submit):
                self._take(action)
        told = report(seen, step, self.now)
        self.events.extend((n.type, n.reason, n.message) for n in told.notes)
        if status_changes(self.status, told.status):
            self.status = {k: v for k, v in told.status.items() if v is not None}
            self.milestones.append(milestones(seen, step, told, self.now))
            self._written(f"status: {step.state} {step.names}")

    def _written(self, text: str) -> None:
        self.writes.append(text)
        self.check(self)
        if self.die_after_write is not None and len(self.writes) == self.die_after_write:
            raise OperatorDied(text)

    def _take(self, action: Submit) -> None:
        ray = self.rays[action.cluster.uid]
        (head,) = (p for p in self.pods_of(action.cluster.uid) if p.is_head)
        if self.rejects:
            ray.outcome = Refused(action.config_hash, head.uid, self.now, self.rejects)
            return
        ray.config, ray.looks, ray.told = action.config, 0, ray.told + 1
        ray.outcome = Accepted(action.config_hash, head.uid, 0, self.now)
        ray.observation = ray.baseline = None

    # --- the API server -----------------------------------------------------------------------
    def rayservice(self) -> ResourceView:
        """Return the RayService as the cache holds it."""
        return resource.project(
            {
                "apiVersion": RAYSERVICES.api_version,
                "kind": RAYSERVICES.kind,
                "metadata": {
                    "name": "rayservice-sample",
                    "namespace": NAMESPACE,
                    "uid": UID,
                    "creationTimestamp": "2026-01-01T00:00:00Z",
                    "generation": self.generation,
                    "resourceVersion": "1",
                    "annotations": self.annotations,
                },
                "spec": self.spec,
                "status": self.status,
            }
        )

    def clusters_of(self, owner_uid: str) -> tuple[ResourceView, ...]:
        """See `Caches`."""
        views = (resource.project(document) for document in self._all(RAYCLUSTERS))
        return tuple(view for view in views if view.owner_uid == owner_uid)

    def pods_of(self, owner_uid: str) -> tuple[PodView, ...]:
        """See `Caches`."""
        views = (pod.project(document) for document in self._all(PODS))
        return tuple(view for view in views if view.owner_uid == owner_uid)

    def services_of(self, owner_uid: str) -> tuple[ServiceView, ...]:
        """See `Caches`."""
        views = (service.project(document) for document in self._all(SERVICES))
        return tuple(view for view in views if view.owner_uid == owner_uid)

    def service(self, key: Key) -> ServiceView | None:
        """See `Caches`."""
        found = self._documents.get(("services", key.name))
        return service.project(found) if found else None

    def endpoints_of(self, service: Key) -> tuple[EndpointSliceView, ...]:
        """See `Caches`."""
        found = self._documents.get(("endpointslices", service.name))
        return (endpointslice.project(found),) if found else ()

    def view(self, cluster_uid: str) -> RayView:
        """See `Dashboards`."""
        ray = self.rays.get(cluster_uid)
        if ray is None:
            return RayView()
        return RayView(
            ray.observation, ray.outcome, "", ray.baseline, is_drained=not self.requests_in_flight
        )

    def _apply(self, write: Write) -> None:
        match write:
            case Create(wanted, manifest):
                self._create(wanted, manifest)
            case MergePatch(wanted, key, patch):
                found = self._documents[wanted.plural, key.name]
                self._documents[wanted.plural, key.name] = _merged(found, patch)
            case Delete(wanted, key):
                self._delete(wanted, key.name)
            case _:
                raise AssertionError(f"nobody plays {write}")

    def _create(self, wanted: Resource, manifest: JsonObject) -> None:
        document = copy_document(manifest)
        name = get_text(get_object(document, "metadata"), "name")
        if (wanted.plural, name) in self._documents:
            return  # ours already: the executor counts it as done
        number = next(self._numbers)
        document["metadata"] = {
            **get_object(document, "metadata"),
            "uid": f"uid-{number}-{name}",
            "creationTimestamp": format_time(self.now),
            "resourceVersion": str(number),
            "generation": 1,
            "ownerReferences": [{"kind": "RayService", "uid": UID, "controller": True}],
        }
        self._documents[wanted.plural, name] = document

    def _delete(self, wanted: Resource, name: str) -> None:
        found = self._documents.pop((wanted.plural, name), None)
        if wanted == SERVICES:
            self._documents.pop(("endpointslices", name), None)
        if found is None or wanted != RAYCLUSTERS:
            return
        uid = get_text(get_object(found, "metadata"), "uid")
        self.rays.pop(uid, None)
        for view in self.pods_of(uid):
            del self._documents["pods", view.name]

    def _all(self, wanted: Resource) -> tuple[JsonObject, ...]:
        return tuple(d for (plural, _), d in self._documents.items() if plural == wanted.plural)

    def _uid(self, plural: str, name: str) -> str:
        return get_text(get_object(self._documents[plural, name], "metadata"), "uid")

    # --- the rest of the world ----------------------------------------------------------------
    def _pass_time(self) -> None:
        self.now += TICK
        for view in self.clusters_of(UID):
            self._play_cluster(view)
            self._play_ray(view)
        self._play_endpoints()
        self.check(self)

    def _play_cluster(self, cluster: ResourceView) -> None:
        """The RayCluster controller and the kubelet: pods exist at once, run two seconds later."""
        spec = cluster.spec()
        groups = [get_object(spec, "headGroupSpec"), *get_objects(spec, "workerGroupSpecs")]
        for index, group in enumerate(groups):
            for replica in range(get_int(group, "replicas") if index else 1):
                self._play_pod(cluster, group, index, replica)

    def _play_pod(self, cluster: ResourceView, group: JsonObject, index: int, replica: int) -> None:
        kind = "worker" if index else "head"
        name = f"{cluster.name}-{kind}-{index}-{replica}"
        (container,) = get_objects(get_object(group, "template", "spec"), "containers")
        found = self._documents.get(("pods", name))
        if found is None:
            self._documents["pods", name] = self._pod(cluster, group, name, container)
        elif get_text(container, "image") not in self.bad_images:
            found["status"] = {
                **get_object(found, "status"),
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
            }
        else:
            waiting = {"reason": "ErrImagePull", "message": "not found"}
            found["status"] = {
                "phase": "Pending",
                "containerStatuses": [
                    {
                        "name": get_text(container, "name"),
                        "image": get_text(container, "image"),
                        "state": {"waiting": waiting},
                    }
                ],
            }

    def _pod(
        self, cluster: ResourceView, group: JsonObject, name: str, container: JsonObject
    ) -> dict[str, JsonValue]:
        number = next(self._numbers)
        is_head = "-head-" in name
        return {
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "uid": f"uid-{number}-{name}",
                "resourceVersion": "1",
                "labels": {
                    labels.CLUSTER: cluster.name,
                    labels.NODE_TYPE: labels.HEAD if is_head else labels.WORKER,
                    labels.GROUP: labels.HEAD_GROUP if is_head else get_text(group, "groupName"),
                    labels.SERVE: labels.FALSE,
                },
                "ownerReferences": [
                    {
                        "kind": "RayCluster",
                        "name": cluster.name,
                        "uid": cluster.uid,
                        "controller": True,
                    }
                ],
            },
            "spec": {"containers": [dict(container)]},
            "status": {"phase": "Pending", "podIP": f"10.0.0.{number}"},
        }

    def _play_ray(self, cluster: ResourceView) -> None:
        """The poller looks once every two seconds at a Ray whose head is ready."""
        ray = self.rays.setdefault(cluster.uid, FakeRay())
        pods = [p for p in self.pods_of(cluster.uid) if p.is_ready]
        if not any(p.is_head for p in pods):
            return
        if cluster.name in self.silent:
            answered = ray.observation.answered_at if ray.observation else None
            failure = Failure(Trouble.TIMEOUT, "no answer in time")
            ray.observation = Observation(self.now, answered, failure=failure)
            return
        ray.looks += 1
        proxies = {p.name: ProxyHealth.OK for p in pods} if ray.config else {}
        said = parse_report(self._say(ray, pods, is_ill=cluster.name in self.ill))
        ray.observation = Observation(self.now, self.now, report=said, proxies=proxies)
        ray.baseline = ray.baseline or (said if isinstance(ray.outcome, Accepted) else None)

    def _say(self, ray: FakeRay, pods: list[PodView], *, is_ill: bool) -> JsonObject:
        proxies = {
            p.name: {
                "status": "UNHEALTHY" if p.name in self.unhealthy_proxies else "HEALTHY",
                "node_ip": p.ip,
            }
            for p in pods
        }
        return {
            "proxies": proxies if ray.config else {},
            "applications": {
                get_text(a, "name"): self._application(ray, a, is_ill=is_ill)
                for a in get_objects(ray.config or {}, "applications")
            },
        }

    def _application(self, ray: FakeRay, wanted: JsonObject, *, is_ill: bool) -> JsonObject:
        failure = self.broken_imports.get(get_text(wanted, "import_path"), "")
        is_up = ray.looks > 1
        state = "HEALTHY" if is_up else "UPDATING"
        deployments = {
            get_text(d, "name"): {"name": get_text(d, "name"), "status": state}
            for d in get_objects(wanted, "deployments")
        }
        status = "RUNNING" if is_up else "DEPLOYING"
        if is_ill and is_up:
            status = "UNHEALTHY"
        own_way = {"import_path": f"{wanted.get('import_path')} "} if self.normalises else {}
        return {
            "status": "DEPLOY_FAILED" if failure else status,
            "message": failure,
            "deployed_app_config": {**wanted, **own_way},
            "deployments": {} if failure else deployments,
        }

    def _play_endpoints(self) -> None:
        pods = [pod.project(document) for document in self._all(PODS)]
        for document in self._all(SERVICES):
            view = service.project(document)
            self._documents["endpointslices", view.name] = {
                "metadata": {
                    "name": view.name,
                    "namespace": NAMESPACE,
                    "labels": {labels.SERVICE_NAME: view.name},
                },
                "endpoints": [
                    {
                        "targetRef": {"uid": p.uid, "name": p.name},
                        "addresses": [p.ip],
                        "conditions": {"ready": p.is_ready},
                    }
                    for p in pods
                    if _selects(view.selector, p.labels)
                ],
            }


def _selects(selector: Mapping[str, str], texts: Mapping[str, str]) -> bool:
    """Pods here carry only the labels that views keep; the others always fit."""
    return all(texts.get(key) == value for key, value in selector.items() if key in texts)


def _merged(document: JsonObject, patch: JsonObject) -> dict[str, JsonValue]:
    merged = dict(document)
    for key, value in patch.items():
        found = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = _merged(found if isinstance(found, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def with_price(price: int) -> str:
    """The Serve config with another price of mangos."""
    config = yaml.safe_load(SERVE_CONFIG)
    config["applications"][0]["deployments"][0]["user_config"]["price"] = price
    return yaml.safe_dump(config)
