"""kubectl, as a person at a terminal uses it.

Each call is one process in one namespace, with a deadline.  What kubectl refuses is raised in its
own words.  Nothing here waits for anything: that is `support.waiting`.
"""

import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ray_operator.operator.documents import JsonObject, JsonValue, decode, encode, get_objects

DEADLINE = timedelta(minutes=2)
"""No single call here takes seconds; two minutes is a cluster that has stopped answering."""


class KubectlError(Exception):
    """kubectl, or the command that it ran in a pod, ended with another exit code than 0."""

    def __init__(self, command: tuple[str, ...], code: int, said: str) -> None:
        super().__init__(f"kubectl {' '.join(command)}: exit code {code}\n{said}")
        self.code = code
        self.said = said


@dataclass(frozen=True, slots=True)
class Table:
    """What `kubectl get` prints for people: a header and rows, each row a cell a column."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> tuple[str, ...]:
        """Return the cells below one name of the header, from the top."""
        place = self.header.index(name)
        return tuple(row[place] for row in self.rows)

    def row(self, name: str) -> dict[str, str]:
        """Return the row whose first cell is `name`, by column."""
        found = next(row for row in self.rows if row[0] == name)
        return dict(zip(self.header, found, strict=True))


def parse_table(text: str) -> Table:
    """Cut a table where its header's words begin, as cells may be empty or hold spaces."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return Table((), ())
    names = [name for name in lines[0].split("  ") if name]
    starts = [lines[0].index(name.strip()) for name in names]
    ends = [*starts[1:], None]
    cells = [
        tuple(line[start:end].strip() for start, end in zip(starts, ends, strict=True))
        for line in lines
    ]
    return Table(cells[0], tuple(cells[1:]))


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl in one namespace of the cluster that the environment names."""

    namespace: str = "default"

    def run(self, *command: str, stdin: str = "", deadline: timedelta = DEADLINE) -> str:
        """Run one command and return what it printed.

        Raises:
            KubectlError: it ended with another exit code than 0, or not within the deadline.
        """
        try:
            ended = subprocess.run(
                ["kubectl", f"--namespace={self.namespace}", *command],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=deadline.total_seconds(),
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise KubectlError(command, -1, f"no end within {deadline}") from late
        if ended.returncode:
            raise KubectlError(command, ended.returncode, ended.stdout + ended.stderr)
        return ended.stdout

    def run_at_terminal(self, *command: str, typing: str) -> str:
        """Run one command as at a terminal, with `typing` typed ahead, and return the screen.

        It has no deadline of its own: what is typed must make the command end.
        """
        ours, theirs = os.openpty()
        full = ["kubectl", f"--namespace={self.namespace}", *command]
        with (
            io.FileIO(ours, "r+") as terminal,
            subprocess.Popen(full, stdin=theirs, stdout=theirs, stderr=theirs) as running,
        ):
            os.close(theirs)
            terminal.write(typing.encode())
            screen = b"".join(iter(lambda: _read(terminal), b"")).decode()
        if running.returncode:
            raise KubectlError(command, running.returncode, screen)
        return screen

    def apply(self, manifest: JsonObject | Path) -> str:
        """Apply a file, or a document as if it were one, with kubectl's own strict validation."""
        if isinstance(manifest, Path):
            return self.run("apply", "-f", str(manifest))
        return self.run("apply", "-f", "-", stdin=encode(manifest).decode())

    def find(self, kind: str, name: str) -> JsonObject | None:
        """Return an object, or None if there is none of that name."""
        text = self.run("get", kind, name, "-o", "json", "--ignore-not-found")
        return decode(text) if text.strip() else None

    def get(self, kind: str, name: str) -> JsonObject:
        """Return an object.

        Raises:
            KubectlError: there is none of that name.
        """
        return decode(self.run("get", kind, name, "-o", "json"))

    def list(self, kinds: str, selector: str = "") -> tuple[JsonObject, ...]:
        """Return the objects of one or more kinds (with commas) that a label selector picks."""
        text = self.run("get", kinds, "-o", "json", f"--selector={selector}")
        return get_objects(decode(text), "items")

    def table(self, *command: str) -> Table:
        """Run a `get` and return its table."""
        return parse_table(self.run(*command))

    def patch(self, kind: str, name: str, patch: JsonValue, type_: str = "merge") -> None:
        """Patch an object; `type_` is `merge` or `json`."""
        self.run("patch", kind, name, f"--type={type_}", "--patch", encode(patch).decode())

    @contextmanager
    def forwarded(self, target: str, port: int) -> Iterator[int]:
        """Forward a free port of this host to `port` of `target` meanwhile; the value is that port.

        The port is opened on the loopback interface only: a dashboard is nobody else's business.
        """
        command = ["kubectl", f"--namespace={self.namespace}", "port-forward", target]
        with subprocess.Popen(
            [*command, "--address=127.0.0.1", f":{port}"], stdout=subprocess.PIPE, text=True
        ) as forward:
            try:
                assert forward.stdout is not None
                said = forward.stdout.readline()
                assert said.startswith("Forwarding from 127.0.0.1:"), f"port-forward said: {said!r}"
                yield int(said.split(":")[1].split(" ")[0])
            finally:
                forward.terminate()


def _read(terminal: io.FileIO) -> bytes:
    """Read what is on the screen next; nothing when the last program there has ended."""
    try:
        return terminal.read(4096) or b""
    except OSError:
        return b""
