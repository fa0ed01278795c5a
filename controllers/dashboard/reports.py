"""What Ray says about Serve, in our words: small frozen values read from its JSON.

Ray's fields and enum values come and go between releases: unknown ones are ignored or kept as
text, missing ones get an empty value; nothing here raises for a mapping of any shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ray_operator.operator.documents import JsonObject, JsonValue

RUNNING = "RUNNING"
UNHEALTHY = "UNHEALTHY"
DEPLOY_FAILED = "DEPLOY_FAILED"
HEALTHY = "HEALTHY"

DEFAULT_APPLICATION = "default"
"""What an application is called that Ray reports without a name (Ray 2.4 and older forms)."""
LONGEST_MESSAGE = 16 * 1024
"""Ray puts whole tracebacks into messages (8 KiB seen); the end of one says what happened."""


@dataclass(frozen=True, slots=True)
class DeploymentReport:
    """One deployment of an application."""

    name: str
    status: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class ApplicationReport:
    """One application; `deployed` is the configuration that Ray says it runs with."""

    name: str
    status: str
    message: str = ""
    deployments: tuple[DeploymentReport, ...] = ()
    deployed: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class ProxyReport:
    """The Serve proxy on one node."""

    node_ip: str
    status: str

    @property
    def is_healthy(self) -> bool:
        """Whether Ray sends it traffic."""
        return self.status == HEALTHY


@dataclass(frozen=True, slots=True)
class ServeReport:
    """Everything that one answer to GET /api/serve/applications/ says."""

    applications: tuple[ApplicationReport, ...] = ()
    proxies: tuple[ProxyReport, ...] = ()
    target_capacity: float | None = None

    def application(self, name: str) -> ApplicationReport | None:
        """Return the application of that name, if Ray has one."""
        return next((a for a in self.applications if a.name == name), None)


class ProxyHealth(StrEnum):
    """What a Serve proxy answered to /-/healthz."""

    OK = "ok"
    DRAINING = "draining"  # any answer but 200
    REFUSED = "refused"  # nothing listens
    SILENT = "silent"  # no answer in time


def parse_report(document: JsonObject) -> ServeReport:
    """Read Ray's answer."""
    applications = _mapping(document.get("applications"))
    proxies = _mapping(document.get("proxies"))
    capacity = document.get("target_capacity")
    return ServeReport(
        applications=tuple(
            _application(name, _mapping(body)) for name, body in sorted(applications.items())
        ),
        proxies=tuple(_proxy(_mapping(body)) for _, body in sorted(proxies.items())),
        target_capacity=float(capacity) if isinstance(capacity, int | float) else None,
    )


def _application(name: str, body: JsonObject) -> ApplicationReport:
    deployments = _mapping(body.get("deployments"))
    deployed = body.get("deployed_app_config")
    return ApplicationReport(
        name=name or DEFAULT_APPLICATION,
        status=_text(body, "status"),
        message=_text(body, "message")[-LONGEST_MESSAGE:],
        deployments=tuple(
            _deployment(key, _mapping(value)) for key, value in sorted(deployments.items())
        ),
        deployed=deployed if isinstance(deployed, Mapping) else None,
    )


def _deployment(name: str, body: JsonObject) -> DeploymentReport:
    return DeploymentReport(
        name=name,
        status=_text(body, "status"),
        message=_text(body, "message")[-LONGEST_MESSAGE:],
    )


def _proxy(body: JsonObject) -> ProxyReport:
    return ProxyReport(node_ip=_text(body, "node_ip"), status=_text(body, "status"))


def _mapping(value: JsonValue) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def _text(body: JsonObject, key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else ""
