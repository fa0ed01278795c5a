"""Logs: constant messages in plain words; what varies is a field.

    log = logs.Logger(__name__)
    log.info("created pod", pod=name)

The fields `controller`, `namespace`, `name`, `uid` and `reconcile_id` come from the context that
the controller binds, so nobody hands them around.  Output is JSON lines or text for a console;
lines to a file as well, if one is set.
"""

import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import orjson

from ray_operator.operator.logfile import LogFile

Encoder = Literal["json", "console"]

_context: ContextVar[Mapping[str, object]] = ContextVar("log_context", default={})  # noqa: B039 - never changed, only replaced


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where log lines go and in which form."""

    level: int = logging.INFO
    stdout_encoder: Encoder = "json"
    file: Path | None = None
    file_encoder: Encoder = "json"


class Logger:
    """A named logger whose messages are constant and whose details are fields."""

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, message: str, /, **fields: object) -> None:
        """Tell a step; costs next to nothing when debug is off."""
        self._log(logging.DEBUG, message, fields)

    def info(self, message: str, /, **fields: object) -> None:
        """Tell a change in the cluster."""
        self._log(logging.INFO, message, fields)

    def warning(self, message: str, /, **fields: object) -> None:
        """Tell what a person may fix."""
        self._log(logging.WARNING, message, fields)

    def error(self, message: str, /, **fields: object) -> None:
        """Tell a failure."""
        self._log(logging.ERROR, message, fields)

    def exception(self, message: str, /, **fields: object) -> None:
        """Tell a failure that should not have happened, with the traceback being handled."""
        self._log(logging.ERROR, message, fields, trace=True)

    def _log(
        self, level: int, message: str, fields: Mapping[str, object], *, trace: bool = False
    ) -> None:
        if self._logger.isEnabledFor(level):
            merged = {**_context.get(), **fields}
            self._logger.log(level, message, extra={"fields": merged}, exc_info=trace)


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Add `fields` to every line that is logged inside, in this task and those it starts."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def context_field(name: str) -> str:
    """Return a field of the context that every line carries at this point; "" if it has none."""
    return str(_context.get().get(name, ""))


def configure(settings: LogSettings) -> None:
    """Send all logs of the process where `settings` say. Call once, at start.

    Raises:
        OSError: the log file can't be opened.
    """
    console = logging.StreamHandler(sys.stdout)
    console.setFormatter(_formatter(settings.stdout_encoder))
    handlers: list[logging.Handler] = [console]
    if settings.file is not None:
        file = LogFile(settings.file)
        file.setFormatter(_formatter(settings.file_encoder))
        handlers.append(file)
    logging.basicConfig(level=settings.level, handlers=handlers, force=True)
    # Where in the code, in which thread, process and task: our lines don't say it, and to find it
    # out is half of what they cost (the logging HOWTO, "Optimization").
    logging._srcfile = None  # noqa: SLF001 - the documented switch
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # Libraries speak only when something is wrong, unless a person debugs.
    if settings.level > logging.DEBUG:
        for name in ("aiohttp", "asyncio", "kubernetes", "opentelemetry", "urllib3"):
            logging.getLogger(name).setLevel(logging.WARNING)


def _formatter(encoder: Encoder) -> logging.Formatter:
    return JsonFormatter() if encoder == "json" else ConsoleFormatter()


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, Mapping) else {}


def _time(record: logging.LogRecord) -> str:
    time = datetime.fromtimestamp(record.created, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(record: logging.LogRecord) -> str:
    return "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: level, ts, logger, msg (the peer's keys), then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the line; a value that JSON lacks is written as its text."""
        line: dict[str, object] = {
            "level": record.levelname.lower(),
            "ts": _time(record),
            "logger": record.name.removeprefix("ray_operator."),
            "msg": record.getMessage(),
            **_fields(record),
        }
        if trace := _trace(record):
            line["trace"] = trace
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class ConsoleFormatter(logging.Formatter):
    """For eyes: time, level, message, then `field=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the line, the traceback below it."""
        details = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname:<7} {record.getMessage()}"
        text = f"{line}  {details}" if details else line
        trace = _trace(record)
        return f"{text}\n{trace}" if trace else text
