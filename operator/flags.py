"""The command line and the configuration file: the same settings under two names.

Each option is one line of a table: flag, key in the file, field of `Settings`, and how its text is
read.  Flags take one dash or two, `=` or a blank before the value, as Go's do; a boolean may stand
alone.  What is not given is not in the result, so that whoever merges knows what was said.
"""

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import yaml

from ray_operator.operator.errors import SettingsError
from ray_operator.operator.logs import Logger

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. Without `flag` it is for the file only, without `key` for the command line."""

    flag: str
    key: str
    field: str
    read: Callable[[object], object]
    help: str = ""


def parse_flags(arguments: Sequence[str]) -> dict[str, object]:
    """Read the command line into values by field name; only what is given.

    Raises:
        SettingsError: a value is wrong.
        SystemExit: an unknown flag (2), `--help` or `--version` (0).
    """
    parser = argparse.ArgumentParser(
        prog="ray-operator",
        description="Runs Ray on Kubernetes: watches RayClusters, RayJobs, RayServices and "
        "RayCronJobs, and makes the cluster match them.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--version", action="version", version=f"ray-operator {own_version()}")
    for option in OPTIONS:
        if option.flag:
            parser.add_argument(
                f"--{option.flag}",
                f"-{option.flag}",
                dest=option.field,
                metavar="VALUE",
                help=option.help,
                nargs="?" if option.read is read_flag else None,
                const="true" if option.read is read_flag else None,
            )
    for name in IGNORED_FLAGS:
        parser.add_argument(f"--{name}", f"-{name}", nargs="?", help=argparse.SUPPRESS)
    given = vars(parser.parse_args(arguments))
    return {
        option.field: _read(option, f"--{option.flag}", given[option.field])
        for option in OPTIONS
        if option.flag and option.field in given
    }


def read_file(path: Path) -> dict[str, object]:
    """Read a configuration file into values by field name; unknown keys are warned of.

    Raises:
        SettingsError: it can't be read, or is no such file.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"--config: {path}: {error}") from error
    if not isinstance(document, Mapping) or document.get("kind") != "Configuration":
        raise SettingsError(f"--config: {path}: expected kind: Configuration")
    options = {option.key: option for option in OPTIONS if option.key}
    for key in document.keys() - options.keys() - {"apiVersion", "kind", "metadata"}:
        log.warning("the configuration file has a key that means nothing", key=key, file=str(path))
    return {
        options[key].field: _read(options[key], f"{path}: {key}", value)
        for key, value in document.items()
        if key in options and value is not None
    }


def own_version() -> str:
    """Return the version of this package."""
    return version("ray-operator")


def _read(option: Option, place: str, value: object) -> object:
    try:
        return option.read(value)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{place}: {error}") from error


# -- how values are read: flags give text, the file gives YAML's types


def read_text(value: object) -> str:
    """Read any scalar as text."""
    if isinstance(value, Mapping | list):
        raise TypeError("expected text")
    return str(value)


def read_flag(value: object) -> bool:
    """Read a boolean as Go's flags do."""
    text = str(value).lower()
    if text in {"true", "t", "1"}:
        return True
    if text in {"false", "f", "0"}:
        return False
    raise ValueError(f"expected true or false, found {value!r}")


def read_count(value: object) -> int:
    """Read a positive integer."""
    number = int(str(value))
    if number < 1:
        raise ValueError(f"expected at least 1, found {number}")
    return number


def read_number(value: object) -> float:
    """Read a number that is not negative."""
    number = float(str(value))
    if not number >= 0:
        raise ValueError(f"expected at least 0, found {value}")
    return number


def read_names(value: object) -> tuple[str, ...]:
    """Read a comma-separated list; blanks and empty parts don't count."""
    return tuple(part.strip() for part in read_text(value).split(",") if part.strip())


def read_path(value: object) -> Path | None:
    """Read a path; "" is none."""
    text = read_text(value)
    return Path(text) if text else None


def read_gates(value: object) -> dict[str, bool]:
    """Read `Name=bool,…`, a mapping, or a list of `{name, enabled}` (the chart's form)."""
    if isinstance(value, Mapping):
        return {str(name): read_flag(on) for name, on in value.items()}
    if isinstance(value, list):
        return {str(entry["name"]): read_flag(entry["enabled"]) for entry in value}
    gates = {}
    for part in read_names(value):
        name, separator, on = part.partition("=")
        if not separator:
            raise ValueError(f"expected Name=true or Name=false, found {part!r}")
        gates[name] = read_flag(on)
    return gates


def read_level(value: object) -> int:
    """Read zap's levels: a name, or a number that grows with detail (0 = info)."""
    text = str(value).lower()
    names = {"debug": logging.DEBUG, "info": logging.INFO, "error": logging.ERROR}
    names |= {"warn": logging.WARNING, "warning": logging.WARNING}
    if text in names:
        return names[text]
    if not text.isdecimal():
        raise ValueError(f"expected debug, info, error or a number, found {value!r}")
    return logging.DEBUG if int(text) > 0 else logging.INFO


def read_encoder(value: object) -> str:
    """Read json or console."""
    if value not in {"json", "console"}:
        raise ValueError(f"expected json or console, found {value!r}")
    return str(value)


def read_objects(value: object) -> tuple[Mapping[str, object], ...]:
    """Read a list of objects (containers, environment variables)."""
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise TypeError("expected a list of objects")
    return tuple(value)


def read_object(value: object) -> Mapping[str, object]:
    """Read an object."""
    if not isinstance(value, Mapping):
        raise TypeError("expected an object")
    return value


def read_texts(value: object) -> dict[str, str]:
    """Read a map of strings (labels, annotations)."""
    return {str(name): read_text(text) for name, text in read_object(value).items()}


OPTIONS = (
    Option("config", "", "config", read_text, "A file of kind Configuration; flags win over it."),
    Option("metrics-addr", "metricsAddr", "metrics_addr", read_text, "Where /metrics listens."),
    Option(
        "metrics-secure",
        "metricsSecure",
        "metrics_secure",
        read_flag,
        "Serve /metrics over TLS, to those who may.",
    ),
    Option(
        "metrics-cert-path",
        "metricsCertPath",
        "metrics_cert_path",
        read_path,
        "The folder of the certificate for --metrics-secure.",
    ),
    Option(
        "metrics-cert-name",
        "metricsCertName",
        "metrics_cert_name",
        read_text,
        "The certificate's file; default: tls.crt.",
    ),
    Option(
        "metrics-cert-key",
        "metricsCertKey",
        "metrics_cert_key",
        read_text,
        "The key's file; default: tls.key.",
    ),
    Option(
        "health-probe-bind-address",
        "probeAddr",
        "probe_addr",
        read_text,
        "Where /healthz and /readyz listen.",
    ),
    Option(
        "enable-leader-election",
        "enableLeaderElection",
        "enable_leader_election",
        read_flag,
        "Work only while holding the Lease.",
    ),
    Option(
        "leader-election-namespace",
        "leaderElectionNamespace",
        "leader_election_namespace",
        read_text,
        "Where the Lease stands; default: the pod's namespace.",
    ),
    Option(
        "reconcile-concurrency",
        "reconcileConcurrency",
        "reconcile_concurrency",
        read_count,
        "Objects in work at once, per kind.",
    ),
    Option(
        "watch-namespace",
        "watchNamespace",
        "watch_namespaces",
        read_names,
        "Comma-separated namespaces to serve; default: all.",
    ),
    Option("qps", "qps", "qps", read_number, "Requests a second to the API server; 0: no limit."),
    Option("burst", "burst", "burst", read_count, "Requests at once above --qps."),
    Option(
        "batch-scheduler",
        "batchScheduler",
        "batch_scheduler",
        read_text,
        "volcano, yunikorn, kai-scheduler or scheduler-plugins.",
    ),
    Option(
        "enable-batch-scheduler",
        "enableBatchScheduler",
        "enable_batch_scheduler",
        read_flag,
        "Old form of --batch-scheduler=volcano.",
    ),
    Option(
        "use-kubernetes-proxy",
        "useKubernetesProxy",
        "use_kubernetes_proxy",
        read_flag,
        "Reach Ray through the API server; default: only outside a cluster.",
    ),
    Option(
        "enable-metrics",
        "enableMetrics",
        "enable_metrics",
        read_flag,
        "Serve the kuberay_* series.",
    ),
    Option("feature-gates", "featureGates", "gates", read_gates, "Name=true,Name=false,…"),
    Option("log-file-path", "logFile", "log_file", read_path, "Log to this file, too."),
    Option(
        "log-file-encoder", "logFileEncoder", "log_file_encoder", read_encoder, "json or console."
    ),
    Option(
        "log-stdout-encoder",
        "logStdoutEncoder",
        "log_stdout_encoder",
        read_encoder,
        "json or console.",
    ),
    Option("zap-log-level", "logLevel", "log_level", read_level, "debug, info, error or a number."),
    Option("kubeconfig", "", "kubeconfig", read_path, "Default: in-cluster, else ~/.kube/config."),
    Option(
        "rayservice-health-replacement",
        "rayServiceHealthReplacement",
        "rayservice_health_replacement",
        read_flag,
        "Replace a RayService's cluster that stays unhealthy.",
    ),
    Option(
        "default-token-auth",
        "defaultTokenAuth",
        "default_token_auth",
        read_flag,
        "Token authentication for clusters that don't say.",
    ),
    Option("", "headSidecarContainers", "head_sidecar_containers", read_objects),
    Option("", "workerSidecarContainers", "worker_sidecar_containers", read_objects),
    Option("", "defaultContainerEnvs", "default_container_envs", read_objects),
    Option("", "defaultPodAnnotations", "default_pod_annotations", read_texts),
    Option("", "defaultPodLabels", "default_pod_labels", read_texts),
    Option("", "deleteRayJobAfterJobFinishes", "delete_rayjob_after_finish", read_flag),
    Option("", "initContainerResources", "init_container_resources", read_object),
)

IGNORED_FLAGS = (
    "zap-devel",
    "zap-encoder",
    "zap-stacktrace-level",
    "zap-time-encoding",
    "forced-cluster-upgrade",
)
"""The peer's; accepted, so that its Deployments start, and without effect."""
