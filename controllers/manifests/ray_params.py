"""The parameters of `ray start`: what the user wrote, completed from what the pod will have.

A working copy, never persisted (raycluster.md 5.4).  Ray must be told its resources, because
inside a container it sees those of the machine.
"""

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal

from ray_operator.api.quantities import parse_quantity, whole
from ray_operator.operator.documents import JsonObject, get_object

Params = dict[str, str]

_MIG_SLICE = re.compile(r"nvidia\.com/mig-\d+g\.\d+gb$")
_CUSTOM_ACCELERATORS = {"aws.amazon.com/neuroncore": "neuron_cores", "google.com/tpu": "TPU"}
"""Device plugins' resource names, and what Ray calls the same resource."""
_QUOTES = "'\"` "
"""People quote the JSON of `resources` in many ways to get it through YAML and a shell."""


def is_gpu(resource: str) -> bool:
    """Tell whether a resource name means a GPU: any vendor's `…gpu`, or an NVIDIA MIG slice."""
    return resource.endswith("gpu") or _MIG_SLICE.search(resource) is not None


def group_resource_params(resources: Mapping[str, str]) -> Params:
    """Return the parameters for a group's `resources`; what is no quantity is left out."""
    params: Params = {}
    custom: dict[str, float] = {}
    for key, text in resources.items():
        value = parse_quantity(text)
        if value is None:
            continue
        match key.lower():
            case "cpu":
                params["num-cpus"] = str(whole(value))
            case "memory":
                params["memory"] = str(whole(value))
            case lowered if is_gpu(lowered):
                params["num-gpus"] = str(whole(value))
            case _:
                custom[key] = float(value)
    if custom:
        params["resources"] = _resources_text(custom)
    return params


def unreadable_resources(resources: Mapping[str, str], params: Mapping[str, str]) -> list[str]:
    """Say which of a group's resources Ray will not be told of, because they can't be read."""
    bad = [
        f"resources[{key}]: {text!r} is no quantity"
        for key, text in resources.items()
        if parse_quantity(text) is None
    ]
    if _parse_resources(params.get("resources", "")) is None:
        text = "no JSON object of numbers; accelerators are not added to it"
        bad.append(f"rayStartParams.resources: {text}")
    return bad


def container_resource_params(params: Mapping[str, str], container: JsonObject) -> Params:
    """Return `params` completed from the Ray container's limits and requests.

    What is set is kept.  Limits count; a CPU request counts where there is no limit.
    """
    resources = get_object(container, "resources")
    limits, requests = get_object(resources, "limits"), get_object(resources, "requests")
    completed = dict(params)
    cpu = parse_quantity(limits.get("cpu")) or parse_quantity(requests.get("cpu"))
    if cpu and "num-cpus" not in completed:
        completed["num-cpus"] = str(whole(cpu))
    memory = parse_quantity(limits.get("memory"))
    if memory and "memory" not in completed:
        completed["memory"] = str(whole(memory))
    return _with_accelerators(completed, limits)


def _with_accelerators(params: Params, limits: JsonObject) -> Params:
    known = _parse_resources(params.get("resources", ""))
    if known is None:
        return params
    amounts = {key: value for key in sorted(limits) if (value := parse_quantity(limits[key]))}
    gpu = next((value for key, value in amounts.items() if is_gpu(key)), None)
    if gpu is not None:
        params.setdefault("num-gpus", str(whole(gpu)))
    if not known.keys() & set(_CUSTOM_ACCELERATORS.values()):
        _add_custom(params, known, amounts)
    return params


def _add_custom(params: Params, known: dict[str, float], amounts: Mapping[str, Decimal]) -> None:
    for key, amount in amounts.items():
        name = _CUSTOM_ACCELERATORS.get(key)
        if name is not None:
            params["resources"] = _resources_text({**known, name: float(amount)})
            return


def _parse_resources(text: str) -> dict[str, float] | None:
    """Return what a `resources` parameter holds; `None` if it is no JSON object of numbers."""
    bare = text.strip(_QUOTES)
    if not bare:
        return {}
    try:
        parsed = json.loads(bare)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    numbers = {str(key): _finite(value) for key, value in parsed.items()}
    found = {key: number for key, number in numbers.items() if number is not None}
    return found if len(found) == len(parsed) else None


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _resources_text(resources: Mapping[str, float]) -> str:
    numbers = {key: int(n) if n.is_integer() else n for key, n in resources.items()}
    return f"'{json.dumps(numbers, sort_keys=True, separators=(',', ':'))}'"
