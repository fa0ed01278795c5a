"""The ports of a head, inferred from what its manifest says and what Ray opens anyway.

Users of early releases name no port or only some; Ray listens on all of them.  So what is declared
is kept, an unnamed port gets the well-known name of its number, and what is missing is added
(raycluster.md 5.2).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ray_operator.operator.documents import JsonObject, get_int, get_objects, get_text

GCS_SERVER = "gcs-server"
DASHBOARD = "dashboard"
CLIENT = "client"
SERVE = "serve"
METRICS = "metrics"
DASHBOARD_AGENT = "dashboard-agent"
OLD_GCS_SERVER = "redis"
"""What the port 6379 was called when GCS was a Redis (Ray 1)."""

DEFAULT_NUMBERS: Mapping[str, int] = {
    GCS_SERVER: 6379,
    DASHBOARD: 8265,
    CLIENT: 10001,
    SERVE: 8000,
    METRICS: 8080,
    DASHBOARD_AGENT: 52365,
}
"""Ray's own defaults (`ray start --help`; Serve's HTTP proxy)."""
_PARAMETERS: Mapping[str, str] = {
    GCS_SERVER: "port",
    DASHBOARD: "dashboard-port",
    CLIENT: "ray-client-server-port",
    METRICS: "metrics-export-port",
    DASHBOARD_AGENT: "dashboard-agent-listen-port",
}
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Port:
    """A named TCP port."""

    name: str
    number: int

    @property
    def carries_serve(self) -> bool:
        """Whether Serve traffic enters here: `serve`, or a further proxy's `serve-…`."""
        return self.name == SERVE or self.name.startswith(f"{SERVE}-")


def infer_ports(
    container: JsonObject,
    start_params: Mapping[str, str],
    serve_port: int | None = None,
) -> tuple[Port, ...]:
    """Return the ports of a head whose Ray container is `container`, sorted by name.

    `serve_port` is the one of the Serve configuration, for a RayService.  Neither a name nor a
    number occurs twice, as a Service with such ports would be refused.
    """
    ports = list(_declared(container))
    for name, default in DEFAULT_NUMBERS.items():
        number = param_port(start_params, name)
        if name == SERVE:
            number = serve_port or default
        if all(name != port.name and number != port.number for port in ports):
            ports.append(Port(name, number))
    return tuple(sorted(ports, key=lambda port: port.name))


def port_number(ports: Iterable[Port], name: str) -> int:
    """Return the number of a well-known port: the one of that name, else Ray's default."""
    return next((port.number for port in ports if port.name == name), DEFAULT_NUMBERS[name])


def param_port(start_params: Mapping[str, str], name: str) -> int:
    """Return the port that `ray start` is told to use for a service, else Ray's default."""
    return _parsed(start_params.get(_PARAMETERS.get(name, ""), "")) or DEFAULT_NUMBERS[name]


def with_metrics_port(
    container: JsonObject,
    start_params: Mapping[str, str],
) -> tuple[JsonObject, ...]:
    """Return the container's ports with one named `metrics`, which monitors select by name."""
    ports = get_objects(container, "ports")
    if any(get_text(port, "name") == METRICS for port in ports):
        return ports
    return (*ports, {"name": METRICS, "containerPort": param_port(start_params, METRICS)})


def _declared(container: JsonObject) -> Iterable[Port]:
    declared = get_objects(container, "ports")
    names = {get_text(port, "name") for port in declared}
    numbers: set[int] = set()
    for port in declared:
        number = get_int(port, "containerPort")
        name = get_text(port, "name")
        if name == OLD_GCS_SERVER and number == DEFAULT_NUMBERS[GCS_SERVER]:
            name = ""
        if number in numbers:
            continue
        if not name:
            name = _name_of(number, names)
            names.add(name)
        numbers.add(number)
        yield Port(name, number)


def _name_of(number: int, taken: set[str]) -> str:
    known = next((name for name, n in DEFAULT_NUMBERS.items() if n == number), None)
    return known if known is not None and known not in taken else f"{number}-port"


def _parsed(text: str) -> int | None:
    if not text.isascii() or not text.isdigit():
        return None
    number = int(text)
    return number if 0 < number <= _HIGHEST_PORT else None
