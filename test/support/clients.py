"""Those who send requests: a person with curl in a pod, and a steady stream of requests.

All of it stays in the test cluster's own network.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ray_operator.operator.documents import JsonObject, decode, get_int, get_object
from support.kubectl import Kubectl, KubectlError
from support.objects import phase_of
from support.waiting import NotYet, expect, wait_until

SHELL_IMAGE = "radial/busyboxplus:curl"
RAY_IMAGE = "rayproject/ray:2.6.3"
FRUIT = '["MANGO", 2]'
PIZZA = '["MUL", 3]'
FIFTEEN = '"15 pizzas please!"'

CURL_REFUSED = 7
"""curl's exit code for a connection that nobody took."""
KUBE_PROXY_LAG = timedelta(seconds=10)
"""kube-proxy follows a new endpoint within about a second, and a person needs longer than that."""
STREAM_LIMIT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class CurlPod:
    """A pod with a shell and curl."""

    kube: Kubectl
    pod: str

    def type(self, line: str) -> str:
        """Type one line in the pod's shell and return what it printed.

        Raises:
            KubectlError: with the exit code of the line.
        """
        return self.kube.run("exec", self.pod, "--", "sh", "-c", line).strip()

    def curl(self, line: str) -> str:
        """Type a curl that is to succeed; the first seconds after Ready may refuse it."""

        def probe() -> str:
            try:
                return self.type(line)
            except KubectlError as error:
                if error.code != CURL_REFUSED:
                    raise
                raise NotYet(error.said) from error

        return wait_until(f"answered: {line}", probe, KUBE_PROXY_LAG)

    def post(self, host: str, path: str, body: str) -> str:
        """Ask a Serve Service on its usual port, like `curl`."""
        return self.curl(curl_line(host, path, body))

    def wait_for(self, host: str, path: str, body: str, answer: str) -> None:
        """Wait until a request has this answer; whatever comes before is "not yet"."""

        def probe() -> None:
            try:
                seen = self.type(f"{curl_line(host, path, body)} --max-time 10")
            except KubectlError as error:
                raise NotYet(error.said) from error
            expect(seen == answer, seen)

        wait_until(f"{host}{path} answers {answer}", probe)


def curl_line(host: str, path: str, body: str) -> str:
    """Return the line as the pages write it."""
    return f"curl -sS -X POST -H 'Content-Type: application/json' {host}:8000{path} -d '{body}'"


@contextmanager
def a_curl_pod(kube: Kubectl) -> Iterator[CurlPod]:
    """Start a pod that stands by with curl, and remove it afterwards."""
    pod = f"asker-{secrets.token_hex(3)}"
    kube.run("run", pod, f"--image={SHELL_IMAGE}", "--command", "--", "sleep", "86400")
    try:
        kube.run("wait", f"pod/{pod}", "--for=condition=Ready", "--timeout=110s")
        yield CurlPod(kube, pod)
    finally:
        kube.run("delete", "pod", pod, "--now", "--wait=false")


@dataclass(frozen=True, slots=True)
class Stream:
    """A steady stream of requests that runs in a pod; see `support/request_stream.py`."""

    kube: Kubectl
    pod: str

    def lines(self) -> tuple[JsonObject, ...]:
        """Return what it has reported so far."""
        return tuple(decode(line) for line in self.kube.run("logs", self.pod).splitlines())

    def stop(self) -> "Counts":
        """Send no more requests, wait for the answers that are out, and return the counts."""
        self.kube.run("exec", self.pod, "--", "python", "-c", "import os; os.kill(1, 15)")
        wait_until("the request stream has ended", self._ended)
        *before, last = self.lines()
        return Counts(
            sent=get_int(last, "sent"),
            failed=get_int(last, "failed"),
            answers={text: get_int(get_object(last, "answers"), text) for text in last_keys(last)},
            slowest=timedelta(milliseconds=get_int(last, "slowest_milliseconds")),
            failures=tuple(str(line) for line in before if "failed" in line),
        )

    def _ended(self) -> None:
        phase = phase_of(self.kube.get("pod", self.pod))
        expect(phase == "Succeeded", phase)


def last_keys(counts: JsonObject) -> tuple[str, ...]:
    """Return the answers that were counted."""
    return tuple(get_object(counts, "answers"))


@dataclass(frozen=True, slots=True)
class Counts:
    """What came of a stream: requests by answer, and a line for each that failed."""

    sent: int
    failed: int
    answers: dict[str, int]
    slowest: timedelta
    failures: tuple[str, ...]

    def __str__(self) -> str:
        """Return a line for the closing table."""
        slowest = f"slowest answer after {self.slowest.total_seconds():.1f} s"
        return f"{self.sent} sent, {self.failed} failed, answers {self.answers}, {slowest}"


@contextmanager
def a_stream(kube: Kubectl, url: str, *, per_second: float) -> Iterator[Stream]:
    """Ask for two mangos again and again, from a pod, beginning before this returns."""
    pod = f"stream-{secrets.token_hex(3)}"
    program = Path(__file__).with_name("request_stream.py").read_text(encoding="utf-8")
    words = [url, FRUIT, str(per_second), str(STREAM_LIMIT.total_seconds())]
    run = ["run", pod, f"--image={RAY_IMAGE}", "--restart=Never", "--command", "--"]
    kube.run(*run, "python", "-c", program, *words)
    stream = Stream(kube, pod)
    try:
        wait_until("the request stream is answered", lambda: _answering(stream))
        yield stream
    finally:
        kube.run("delete", "pod", pod, "--now", "--wait=false")


def _answering(stream: Stream) -> None:
    phase = phase_of(stream.kube.get("pod", stream.pod))
    expect(phase == "Running", f"pod {phase}")
    lines = stream.lines()
    expect(any("answering" in line for line in lines), lines)
