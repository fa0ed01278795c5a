"""A RayClusterSpec with the questions that its rules ask, so that a rule reads as a sentence.

Nothing here fails: a spec of any shape has answers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ray_operator.api import annotations as annotation_keys
from ray_operator.api import gates as gate_names
from ray_operator.api.values import as_text, get_entries
from ray_operator.api.versions import is_at_least
from ray_operator.operator.documents import JsonObject, get_flag, get_object, get_text

AUTOSCALER_V2_ENV = "RAY_enable_autoscaler_v2"
"""Ray's own switch of its autoscaler's version."""
AUTOSCALER_V2_SINCE = "2.47"
"""The release from which Ray runs its second autoscaler unless told otherwise."""
REDIS_ADDRESS_ENV = "RAY_REDIS_ADDRESS"
_TRUE = frozenset({"1", "true"})


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """The head group, or a worker group; `path` is where it stands in the object."""

    group: JsonObject
    path: str

    @property
    def name(self) -> str:
        """The `groupName`; empty for the head."""
        return get_text(self.group, "groupName")

    @property
    def pod(self) -> JsonObject:
        """The template's pod spec."""
        return get_object(self.group, "template", "spec")

    @property
    def pod_path(self) -> str:
        """Where the pod spec stands."""
        return f"{self.path}.template.spec"

    @property
    def containers(self) -> tuple[JsonObject, ...]:
        """The containers; the first runs Ray."""
        return get_entries(self.pod, "containers")

    @property
    def ray_container(self) -> JsonObject:
        """The container that runs Ray; empty if there is none."""
        return self.containers[0] if self.containers else {}

    @property
    def ray_container_path(self) -> str:
        """Where the container that runs Ray stands."""
        return f"{self.pod_path}.containers[0]"

    @property
    def env(self) -> Mapping[str, JsonObject]:
        """The environment of the Ray container by name; as in a pod, the last of a name wins."""
        return env_by_name(self.ray_container)

    @property
    def start_params(self) -> Mapping[str, str]:
        """The parameters of `ray start`, as text."""
        params = get_object(self.group, "rayStartParams")
        return {key: as_text(value) for key, value in params.items()}

    @property
    def restart_policy(self) -> str:
        """The template's restartPolicy; empty if it sets none."""
        return get_text(self.pod, "restartPolicy")

    @property
    def is_suspended(self) -> bool:
        """Whether the group alone is suspended."""
        return get_flag(self.group, "suspend")


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """A RayClusterSpec and what stands around it.

    `path` is where the spec stands in its object; `gates` are the names of the gates that are on.
    """

    spec: JsonObject
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    gates: frozenset[str] = gate_names.DEFAULT
    path: str = "spec"

    @property
    def head(self) -> GroupFacts:
        """The head group."""
        return GroupFacts(get_object(self.spec, "headGroupSpec"), f"{self.path}.headGroupSpec")

    @property
    def workers(self) -> tuple[GroupFacts, ...]:
        """The worker groups."""
        groups = enumerate(get_entries(self.spec, "workerGroupSpecs"))
        return tuple(GroupFacts(g, f"{self.path}.workerGroupSpecs[{i}]") for i, g in groups)

    @property
    def groups(self) -> Iterator[GroupFacts]:
        """The head, then the workers."""
        yield self.head
        yield from self.workers

    @property
    def ray_version(self) -> str:
        """The `rayVersion`; empty if unset."""
        return get_text(self.spec, "rayVersion")

    @property
    def autoscaler(self) -> JsonObject:
        """The `autoscalerOptions`; empty if unset."""
        return get_object(self.spec, "autoscalerOptions")

    @property
    def is_autoscaled(self) -> bool:
        """Whether Ray's autoscaler runs."""
        return get_flag(self.spec, "enableInTreeAutoscaling")

    @property
    def has_autoscaler_v2(self) -> bool:
        """Whether the autoscaler, if there is one, is Ray's second."""
        version = get_text(self.autoscaler, "version")
        if version == "v2" or self.enables_autoscaler_v2_by_env:
            return True
        return not version and is_at_least(self.ray_version, AUTOSCALER_V2_SINCE)

    @property
    def enables_autoscaler_v2_by_env(self) -> bool:
        """Whether the head's environment asks for the second autoscaler."""
        return get_text(self.head.env.get(AUTOSCALER_V2_ENV, {}), "value") in _TRUE

    @property
    def has_fault_tolerance_switch(self) -> bool:
        """Whether fault tolerance is asked for by a field or an annotation."""
        template = get_object(self.head.group, "template", "metadata", "annotations")
        return (
            "gcsFaultToleranceOptions" in self.spec
            or is_true(self.annotations.get(annotation_keys.FT_ENABLED))
            or is_true(get_text(template, annotation_keys.FT_ENABLED))
        )

    def is_on(self, gate: str) -> bool:
        """Tell whether a feature gate is on."""
        return gate in self.gates


def env_by_name(container: JsonObject) -> Mapping[str, JsonObject]:
    """Return the entries of `env` by name; as in a pod, the last of a name wins."""
    return {get_text(entry, "name"): entry for entry in get_entries(container, "env")}


def is_true(text: str | None) -> bool:
    """Tell whether an annotation says true, in whatever case."""
    return (text or "").lower() == "true"
