"""A small world for one RayCluster: pods in memory, a kubelet, an operator that may die anywhere.

`turn(budget)` is one pass of the operator of which only the first `budget` writes get through, as
if it were killed then.  The decisions are the real ones; the API server is a dictionary.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from ray_operator.api.conditions import parse_conditions
from ray_operator.controllers.raycluster.actions import (
    Action,
    AnnotatePod,
    CreateHead,
    CreateWorker,
    DeletePod,
)
from ray_operator.controllers.raycluster.conditions import Facts
from ray_operator.controllers.raycluster.observed import Observed, Phase
from ray_operator.controllers.raycluster.plan import plan
from ray_operator.controllers.raycluster.status import next_status
from ray_operator.controllers.views.pod import PodView
from ray_operator.operator.documents import JsonObject, get_objects
from support.builders import a_pod
from support.observations import an_observation

START = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """One RayCluster and its pods."""

    def __init__(self, document: JsonObject) -> None:
        self.document = document
        self.now = START
        self.pods: dict[str, PodView] = {}
        self.status: JsonObject = {}
        self._uids = count()

    def observe(self) -> Observed:
        """Return what the operator sees: everything, at once."""
        observed = an_observation(
            self.document,
            self.pods.values(),
            status=self.status,
            conditions=parse_conditions(get_objects(self.status, "conditions")),
        )
        return observed.with_proof(is_empty=not self.pods)

    def turn(self, budget: int = 10**6) -> tuple[Action, ...]:
        """Let the operator do one pass, and die after `budget` writes; return what it wanted."""
        observed = self.observe()
        decided = plan(observed, self.now)
        for action in decided.actions[:budget]:
            self._perform(action, observed)
        if len(decided.actions) < budget:
            facts = Facts(phase=decided.next_phase or Phase.RUNNING, drift=decided.drift)
            told = next_status(observed, facts, self.now)
            self.status = {key: value for key, value in told.items() if value is not None}
        return decided.actions

    def settle(self, turns: int = 60) -> None:
        """Let the operator and the kubelet work until nothing is left to do.

        Raises:
            AssertionError: they never come to rest.
        """
        for _ in range(turns):
            wanted = self.turn()
            moved = self.play_kubelet()
            self.now += timedelta(seconds=31)
            if not wanted and not moved and self.turn() == ():
                return
        raise AssertionError("the cluster never comes to rest")

    def play_kubelet(self) -> bool:
        """Run what waits, remove what ends; tell whether there was anything."""
        moved = False
        for name, pod in tuple(self.pods.items()):
            if pod.is_terminating:
                del self.pods[name]
                moved = True
            elif not pod.is_ready and not pod.is_finished:
                self.pods[name] = self._aged(pod, phase="Running", ready=True)
                moved = True
        return moved

    def fail(self, name: str) -> None:
        """Let a pod fail."""
        self.pods[name] = self._aged(self.pods[name], phase="Failed", ready=False)

    def delete(self, name: str) -> None:
        """Begin to delete a pod, as a user would."""
        self.pods[name] = replace(self.pods[name], deleted=self.now)

    @property
    def live_heads(self) -> list[PodView]:
        """The heads that run or will."""
        return [pod for pod in self.pods.values() if pod.is_head and not pod.is_finished]

    def live_workers(self, group: str) -> list[PodView]:
        """The workers of a group that count."""
        return [pod for pod in self.pods.values() if pod.group == group and pod.is_live]

    def _perform(self, action: Action, observed: Observed) -> None:
        match action:
            case CreateHead(name):
                stamps = {
                    "ray.io/kuberay-version": observed.policy.build.stamp,
                    "ray.io/upgrade-strategy-recreate-hash": observed.cluster.stamps.spec,
                }
                self._create(name, "headgroup", {}, stamps, observed)
            case CreateWorker(group, name, slot):
                labels = {"ray.io/worker-group-replica-index": str(slot.replica_index)}
                if slot.replica_name:
                    labels["ray.io/worker-group-replica-name"] = slot.replica_name
                    labels["ray.io/replica-host-index"] = str(slot.host_index)
                told = {"ray.io/failed-starts": str(slot.failed_starts)}
                self._create(name, group.name, labels, told, observed)
            case DeletePod(pod):
                if pod.name in self.pods and self.pods[pod.name].uid == pod.uid:
                    self.delete(pod.name)
            case AnnotatePod(pod, annotations):
                kept = {k: v for k, v in {**pod.annotations, **annotations}.items() if v}
                self.pods[pod.name] = replace(self.pods[pod.name], annotations=kept)
            case _:
                pass

    def _create(
        self,
        name: str,
        group: str,
        labels: dict[str, str],
        annotations: dict[str, str],
        observed: Observed,
    ) -> None:
        assert name not in self.pods, f"{name} exists already"
        stamp = observed.cluster.stamps.pods[group]
        self.pods[name] = a_pod(
            name,
            group=group,
            uid=f"uid-{next(self._uids)}",
            phase="Pending",
            ready=False,
            labels=labels,
            annotations={**annotations, "ray.io/pod-spec-hash": stamp},
            created=self.now.isoformat(),
        )

    def _aged(self, pod: PodView, *, phase: str, ready: bool) -> PodView:
        assert pod.ready is not None
        condition = replace(pod.ready, status=str(ready), since=self.now)
        return replace(pod, phase=phase, ready=condition)
