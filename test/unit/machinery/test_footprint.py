"""What the process loads and keeps, seen from a fresh interpreter."""

import asyncio
import gc
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from aiohttp import web

from ray_operator.controllers.caches import build_caches
from ray_operator.controllers.views import pod
from ray_operator.controllers.views.pod import PodView
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.documents import decode
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.manager import Manager
from ray_operator.operator.settings import Settings
from ray_operator.operator.store import Store
from support.api_server import TOKEN, ApiServer
from support.big_pods import pod_text, pods_page
from support.control_plane import write_kubeconfig

MODULES = """
import json, sys
import ray_operator.operator.main
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def modules() -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", MODULES], check=True, capture_output=True, text=True, timeout=60
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_no_generated_model_is_loaded(modules: list[str]) -> None:
    assert [name for name in modules if ".models." in name] == []


@pytest.mark.parametrize("package", ["requests", "oauthlib", "websocket", "opentelemetry"])
def test_nothing_is_loaded_that_only_other_users_of_the_client_need(
    modules: list[str], package: str
) -> None:
    assert [name for name in modules if name.split(".")[0] == package] == []


def test_the_client_works_also_if_somebody_has_imported_it_whole() -> None:
    program = "import kubernetes.client, ray_operator.operator.kube as k; print(k.Kube.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )

    assert done.stdout.strip() == "Kube"


BYTES_A_POD = 2_500
SAMPLE = 1_000


async def test_a_pod_takes_at_most_two_and_a_half_kilobytes_indexes_included(
    tmp_path: Path,
) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1", TOKEN)
    kube = await Kube.connect(KubeOptions(kubeconfig=kubeconfig), SystemClock())
    store: Store[PodView] = build_caches(
        Manager(kube, Settings(kubeconfig=kubeconfig), SystemClock()).watch
    ).pods.store
    await kube.close()

    def fill(first: int) -> None:
        for number in range(first, first + SAMPLE):
            store.put(pod.project(decode(pod_text(number))))

    fill(0)  # what all pods share, and what caches keep
    gc.collect()
    tracemalloc.start()
    try:
        fill(SAMPLE)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    print(f"{taken / SAMPLE:.0f} bytes a pod")  # noqa: T201
    assert taken / SAMPLE <= BYTES_A_POD


LISTING = """
import asyncio, json, sys
from pathlib import Path
from ray_operator.operator import main
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.manager import Manager
from ray_operator.operator.settings import Settings
from ray_operator.controllers.caches import build_caches

def kilobytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

async def run():
    kubeconfig, clock = Path(sys.argv[1]), SystemClock()
    kube = await Kube.connect(KubeOptions(kubeconfig=kubeconfig), clock)
    pods = build_caches(Manager(kube, Settings(kubeconfig=kubeconfig), clock).watch).pods
    idle = kilobytes("VmRSS")
    reading = asyncio.create_task(pods.run())
    await pods.wait_until_settled()
    print(json.dumps({"pods": len(pods.store), "kilobytes": kilobytes("VmHWM") - idle}))

asyncio.run(run())
"""
MANY = 10_000
PEAK_KILOBYTES = 40 * 1024


async def test_ten_thousand_pods_are_listed_at_a_peak_below_40_megabytes(
    server: ApiServer, tmp_path: Path
) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        text = pods_page(int(request.query.get("continue") or 0), MANY)
        return web.Response(body=text, content_type="application/json")

    server.on("GET", "/api/v1/pods", page)
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url, TOKEN)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LISTING, str(kubeconfig), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    found = json.loads(said.splitlines()[-1])

    print(f"{found['kilobytes'] / 1024:.1f} MB over the idle process")  # noqa: T201
    assert found["pods"] == MANY
    assert found["kilobytes"] < PEAK_KILOBYTES
