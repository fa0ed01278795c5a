"""The command line of a Ray container (raycluster.md 5.5; vectors/start_commands.json)."""

import re
from collections.abc import Iterable, Mapping

from ray_operator.operator.documents import JsonObject

RAY_START = "ray start"
OPEN_FILES = "ulimit -n ${RAY_START_ULIMIT_OPEN_FILES:-65536}; "
"""A Ray node keeps a connection per worker process and actor; the usual 1,024 files run out."""
_ALWAYS_WITH_VALUE = frozenset({"log-color", "include-dashboard", "include-log-monitor"})
"""Flags of `ray start` that take `true` or `false` as a value; the others are switches."""
_JOB_ID = re.compile(r"[A-Za-z0-9_.-]+")
_DRIVER_LOG = "/tmp/ray/session_latest/logs/job-driver-{id}.log"  # noqa: S108  # Ray's own path


def ray_start(params: Mapping[str, str], *, is_head: bool) -> str:
    """Return the bare `ray start …`, each flag between two spaces as the peer writes it.

    Values stand unquoted, so that `$VARIABLE` and an already quoted `resources` keep working.
    """
    flags = (_flag(key, params[key]) for key in sorted(params))
    return f"{RAY_START} {'--head ' if is_head else ''}{''.join(flags)}"


def shell(*, login: bool) -> list[str]:
    """Return the command that runs one string of shell."""
    return ["/bin/bash", "-cl" if login else "-c", "--"]


def starts_ray(command: Iterable[str]) -> bool:
    """Tell whether the user's own command line starts Ray, so that ours must stay away."""
    return RAY_START in _words(command)


def wrapped(start: str, user_command: Iterable[str], *, driver_log: str = "") -> str:
    """Return the shell string: the user's command first, then Ray.

    `driver_log` is the id of a job whose driver's output is to appear in the container's log; an id
    that could break out of the shell string is ignored.
    """
    own = _words(user_command)
    before = f"{own} && " if own else ""
    return f"{_follow(driver_log)}{before}{OPEN_FILES}{start}"


def user_command(container: JsonObject) -> tuple[str, ...]:
    """Return the words of the container's own command and arguments."""
    words: list[str] = []
    for key in ("command", "args"):
        value = container.get(key)
        if isinstance(value, list | tuple):
            words.extend(str(word) for word in value)
    return tuple(words)


def _words(command: Iterable[str]) -> str:
    return "".join(f" {word} " for word in command)


def _follow(job_id: str) -> str:
    if not _JOB_ID.fullmatch(job_id):
        return ""
    return f"tail -n +1 -F {_DRIVER_LOG.format(id=job_id)} 2>/dev/null & "


def _flag(key: str, value: str) -> str:
    lowered = value.lower()
    if lowered in {"true", "false"} and key not in _ALWAYS_WITH_VALUE:
        return f" --{key} " if lowered == "true" else ""
    return f" --{key}={value} "
