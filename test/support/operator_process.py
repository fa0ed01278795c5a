"""The operator in the test's own event loop, against the API server of `control_plane.py`."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from ray_operator.operator.clock import SystemClock
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.main import wire as wire_all
from ray_operator.operator.manager import Manager
from ray_operator.operator.settings import Settings, read_settings

from support.control_plane import ControlPlane

FINISH = timedelta(seconds=5)


def settings_for(
    plane: ControlPlane, *namespaces: str, flags: Sequence[str] = (), **environment: str
) -> Settings:
    """Read settings as the program does: admin's kubeconfig, no rate limit, the namespaces."""
    arguments = [
        f"--kubeconfig={plane.kubeconfig}",
        f"--watch-namespace={','.join(namespaces)}",
        "--qps=0",
        *flags,
    ]
    return read_settings(arguments, {"POD_NAME": "operator-in-test", **environment})


@asynccontextmanager
async def running_operator(
    plane: ControlPlane, settings: Settings, wire: Callable[[Manager], None] = wire_all
) -> AsyncIterator[Manager]:
    """Start the operator without election and endpoints; stop it gracefully at the end.

    `wire` declares the controllers; by default all of them, as in the program.
    """
    clock = SystemClock()
    kube = await Kube.connect(KubeOptions(kubeconfig=plane.kubeconfig), clock)
    manager = Manager(kube, settings, clock)
    try:
        wire(manager)
        await manager.start()
        yield manager
    finally:
        await manager.stop(finish=FINISH)
        await kube.close()
