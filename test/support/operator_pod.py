"""The operator as it is installed: its pods, and their violent end."""

from support.kubectl import Kubectl, KubectlError

SYSTEM = Kubectl("ray-system")
SELECTOR = "app.kubernetes.io/component=ray-operator"


def kill_operator() -> None:
    """Take the operator's pod away without a word of warning; its Deployment makes another."""
    SYSTEM.run("delete", "pod", f"--selector={SELECTOR}", "--force", "--grace-period=0")


def wait_for_operator() -> None:
    """Wait until the operator is available."""
    SYSTEM.run("rollout", "status", "deployment", "ray-operator", "--timeout=110s")


def operator_log(lines: int = 150) -> str:
    """Return the end of the operator's log."""
    try:
        return SYSTEM.run("logs", f"--selector={SELECTOR}", f"--tail={lines}")
    except KubectlError as error:
        return str(error)
