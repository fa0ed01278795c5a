"""The operator under measurement: a process of its own, as a Deployment would run it."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hack.bench.api import Access
from hack.bench.plane import SYSTEM_NAMESPACE, Plane, free_ports
from hack.bench.process import Process

PROGRAM = Path(sys.executable).with_name("ray-operator")


@dataclass(slots=True)
class Subject:
    """The operator of one plane, through all its restarts. `pod` is its identity on the Lease."""

    plane: Plane
    access: Access
    pod: str = "ray-operator-0"
    process: Process | None = None

    @property
    def running(self) -> Process:
        """Its process.

        Raises:
            RuntimeError: it has ended.
        """
        if self.process is None:
            raise RuntimeError("the operator was not started")
        self.process.check()
        return self.process

    def start(self) -> None:
        """Start it, without a client-side limit, else with its defaults."""
        metrics, probes = free_ports(2)
        self.process = Process.start(
            [
                str(PROGRAM),
                f"--kubeconfig={self.plane.kubeconfig(self.access)}",
                "--qps=0",
                "--use-kubernetes-proxy=false",  # as in a pod
                f"--leader-election-namespace={SYSTEM_NAMESPACE}",
                f"--metrics-addr=127.0.0.1:{metrics}",
                f"--health-probe-bind-address=127.0.0.1:{probes}",
            ],
            self.plane.folder / "operator.log",
            {"POD_NAME": self.pod, "POD_NAMESPACE": SYSTEM_NAMESPACE},
        )

    def end(self) -> None:
        """Stop it gracefully."""
        if self.process is not None:
            self.process.end()

    def kill(self) -> None:
        """Kill it."""
        self.running.kill()

    @property
    def log(self) -> Path:
        """What it said, all restarts in one file."""
        return self.plane.folder / "operator.log"


@contextlib.contextmanager
def a_subject(plane: Plane, access: Access | None = None) -> Iterator[Subject]:
    """Run the operator on a plane; `access` may lead it through something."""
    subject = Subject(plane, access or plane.operator)
    subject.start()
    try:
        yield subject
    finally:
        subject.end()
