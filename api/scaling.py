"""How many pods a worker group is to have."""

from ray_operator.api.values import get_int_or_none
from ray_operator.operator.documents import JsonObject, get_flag, get_int

MOST_REPLICAS = 2**31 - 1
"""What an absent `maxReplicas` means; also the schema's default."""


def hosts_of(group: JsonObject) -> int:
    """Return the pods of one replica; absent and 0 count as 1."""
    return get_int(group, "numOfHosts") or 1


def desired_replicas(group: JsonObject) -> int:
    """Return `replicas` kept between `minReplicas` and `maxReplicas`; 0 for a suspended group."""
    if get_flag(group, "suspend"):
        return 0
    low = get_int(group, "minReplicas")
    high = get_int_or_none(group, "maxReplicas")
    wanted = get_int_or_none(group, "replicas")
    if wanted is None or wanted < low:
        return low
    return min(wanted, MOST_REPLICAS if high is None else high)


def desired_pods(group: JsonObject) -> int:
    """Return how many pods an entry of `workerGroupSpecs` asks for."""
    return desired_replicas(group) * hosts_of(group)
