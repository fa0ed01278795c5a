"""The program `ray-operator` as a process of its own: `running`."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ray_operator.operator.leader import LEASE_NAME
from support.control_plane import ControlPlane, free_ports

PROGRAM = Path(sys.executable).with_name("ray-operator")
PATIENCE_SECONDS = 60


@dataclass
class Running:
    """A running operator and what can be asked of it."""

    process: subprocess.Popen[bytes]
    probes: int
    metrics: int
    log: Path
    began: float = field(default_factory=time.monotonic)

    def probe(self, path: str) -> tuple[int, str]:
        """Ask /healthz or /readyz; status 0 is no answer."""
        return fetch(f"http://127.0.0.1:{self.probes}{path}")

    def series(self, name: str) -> float:
        """Return the value of a metric without labels."""
        lines = self.scrape().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def scrape(self) -> str:
        """Return all metrics."""
        return fetch(f"http://127.0.0.1:{self.metrics}/metrics")[1]

    def messages(self) -> list[str]:
        """Return the messages that were logged so far."""
        return [json.loads(line)["msg"] for line in self.log.read_text().splitlines()]

    def wait_for(self, message: str) -> None:
        """Wait until `message` was logged."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while message not in self.messages():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; return exit code and seconds until the end."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS), time.monotonic() - began


def fetch(url: str) -> tuple[int, str]:
    """Return status and text of an answer; status 0 is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own loopback URL
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


@contextmanager
def running(
    kubeconfig: Path, namespace: str, folder: Path, name: str = "a", *more: str
) -> Iterator[Running]:
    """Run the operator for one namespace, with its Lease there; `more` are further flags."""
    probes, metrics = free_ports(2)
    log = folder / f"{name}-{probes}.log"
    command: list[str | Path] = [
        PROGRAM,
        f"--kubeconfig={kubeconfig}",
        f"--watch-namespace={namespace}",
        f"--leader-election-namespace={namespace}",
        f"--health-probe-bind-address=127.0.0.1:{probes}",
        f"--metrics-addr=127.0.0.1:{metrics}",
        *more,
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "POD_NAME": name}
        )
    try:
        yield Running(process, probes, metrics, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def lease_holder(plane: ControlPlane, namespace: str) -> str:
    """Return who holds the Lease in `namespace`; "" for nobody."""
    path = "-o=jsonpath={.spec.holderIdentity}"
    return plane.kubectl("get", "lease", LEASE_NAME, "-n", namespace, path)
