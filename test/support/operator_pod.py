"""The operator as it is installed: its pods, and their violent end."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ray_operator.operator.documents import JsonObject
from support.clients import SHELL_IMAGE
from support.kubectl import Kubectl, KubectlError

SYSTEM = Kubectl("ray-system")
SELECTOR = "app.kubernetes.io/component=ray-operator"

KILL = """
for process in /proc/[0-9]*; do
  case "$(tr '\\0' ' ' 2>/dev/null <"$process/cmdline")" in
    /opt/ray-operator/bin/python*) kill -KILL "${process#/proc/}" ;;
  esac
done
"""
"""SIGKILL for the operator's process, found by the interpreter in its image."""


@dataclass(frozen=True, slots=True)
class Killer:
    """A pod that sees the processes of the node.

    Deleting a pod by force takes only its object away at once: its process is still asked to stop,
    and may finish what it does.  A machine that dies asks nobody.
    """

    kube: Kubectl
    pod: str

    def kill_operator(self) -> None:
        """End the operator in mid-step, and its pod: the next one has to wait for the Lease."""
        self.kube.run("exec", self.pod, "--", "sh", "-c", KILL)
        SYSTEM.run("delete", "pod", f"--selector={SELECTOR}", "--force", "--grace-period=0")


@contextmanager
def a_killer(kube: Kubectl) -> Iterator[Killer]:
    """Start the pod, and remove it afterwards."""
    pod = f"killer-{secrets.token_hex(3)}"
    kube.apply(_killer(pod))
    try:
        kube.run("wait", f"pod/{pod}", "--for=condition=Ready", "--timeout=110s")
        yield Killer(kube, pod)
    finally:
        kube.run("delete", "pod", pod, "--now", "--wait=false")


def _killer(pod: str) -> JsonObject:
    shell: JsonObject = {"name": "shell", "image": SHELL_IMAGE, "command": ["sleep", "86400"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod},
        "spec": {"hostPID": True, "containers": [shell]},
    }


def wait_for_operator() -> None:
    """Wait until the operator is available."""
    SYSTEM.run("rollout", "status", "deployment", "ray-operator", "--timeout=110s")


def operator_log(lines: int = 150) -> str:
    """Return the end of the operator's log."""
    try:
        return SYSTEM.run("logs", f"--selector={SELECTOR}", f"--tail={lines}")
    except KubectlError as error:
        return str(error)
