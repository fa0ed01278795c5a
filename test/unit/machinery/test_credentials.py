"""P10: tokens are replaced under our hands, in a pod's files and by a kubeconfig's plugin."""

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from ray_operator.operator.errors import SettingsError, Unauthorized
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import TOKEN_LIFE, Kube, KubeOptions
from ray_operator.operator.resources import PODS
from support.api_server import (
    Answer,
    ApiServer,
    a_pod,
    event,
    listing,
    refusal,
    reply,
    running_api_server,
)
from support.control_plane import write_kubeconfig
from support.fake_clock import FakeClock
from support.informer_world import PATH, quiet, watching

POD = Key("ns", "a")
POD_PATH = "/api/v1/namespaces/ns/pods/a"


def only_for(server: ApiServer, token: str) -> None:
    """Let the server accept no other token from now on."""
    answers = {
        ("GET", POD_PATH): reply(a_pod("a")),
        ("GET", PATH): listing(a_pod("a")),
        ("WATCH", PATH): quiet(event("ADDED", a_pod(f"seen-by-{token}", "11"))),
    }
    for (method, path), right in answers.items():
        server.on(method, path, with_token(token, right))


def with_token(token: str, right: Answer) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        is_right = request.headers["Authorization"].split(" ")[1] == token
        return await (right if is_right else refusal(401, "Unauthorized"))(request)

    return answer


def shown(server: ApiServer) -> list[str]:
    """Return the tokens that requests carried."""
    return [r.headers["Authorization"].split(" ")[1] for r in server.requests]


@dataclass
class Pod:
    """The files that a kubelet mounts into a pod, an API server, and a client that knows both."""

    account: Path
    server: ApiServer
    clock: FakeClock
    kube: Kube

    def rotate(self, token: str) -> None:
        """Replace the token as the kubelet does."""
        fresh = self.account / "..fresh"
        fresh.write_text(token)
        fresh.rename(self.account / "token")

    async def ask(self) -> None:
        assert await self.kube.get(PODS, POD) == a_pod("a")


@pytest.fixture
async def pod(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pod]:
    account = tmp_path / "account"
    account.mkdir()
    key, certificate = tmp_path / "key.pem", account / "ca.crt"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=kubernetes", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", *curve, *names, *files]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    (account / "token").write_text("first\n")
    async with running_api_server(tmp_path, tls=tls) as server:
        host, port = server.url.removeprefix("https://").split(":")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        kube = await Kube.connect(KubeOptions(in_cluster=True, account=account), clock)
        only_for(server, "first")
        yield Pod(account, server, clock, kube)
        await kube.close()


async def test_in_a_pod_the_kubelets_token_is_shown_to_whom_its_ca_vouches_for(pod: Pod) -> None:
    await pod.ask()

    assert shown(pod.server) == ["first"]
    assert await pod.kube.has_credentials()


async def test_in_a_pod_the_token_is_read_again_before_a_minute_is_over(pod: Pod) -> None:
    await pod.ask()
    pod.rotate("second")
    pod.clock.advance(TOKEN_LIFE)
    await pod.ask()
    only_for(pod.server, "second")

    pod.clock.advance(timedelta(seconds=1))
    await pod.ask()

    assert shown(pod.server) == ["first", "first", "second"]


async def test_in_a_pod_a_token_that_is_refused_is_read_again_at_once(pod: Pod) -> None:
    await pod.ask()
    pod.rotate("second")
    only_for(pod.server, "second")

    await pod.ask()

    assert shown(pod.server) == ["first", "first", "second"]


async def test_in_a_pod_a_token_that_stays_wrong_is_shown_twice_and_no_more(pod: Pod) -> None:
    only_for(pod.server, "another")

    with pytest.raises(Unauthorized):
        await pod.ask()

    assert shown(pod.server) == ["first", "first"]


async def test_in_a_pod_a_token_that_cannot_be_read_for_a_moment_is_not_forgotten(
    pod: Pod,
) -> None:
    (pod.account / "token").unlink()
    pod.clock.advance(TOKEN_LIFE + timedelta(seconds=1))
    await pod.ask()

    pod.rotate("second")
    pod.clock.advance(TOKEN_LIFE + timedelta(seconds=1))
    only_for(pod.server, "second")
    await pod.ask()

    assert shown(pod.server) == ["first", "second"]


async def test_in_a_pod_without_its_files_the_process_does_not_start(
    pod: Pod, tmp_path: Path
) -> None:
    options = KubeOptions(in_cluster=True, account=tmp_path / "none")

    with pytest.raises(SettingsError, match="no usable configuration"):
        await Kube.connect(options, pod.clock)


async def test_a_watch_gets_over_a_new_token(
    server: ApiServer, clock: FakeClock, tmp_path: Path
) -> None:
    async with watching(server, clock) as world:
        only_for(server, "new")
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "new")

        await world.until(lambda: "seen-by-new" in world.cached)

        assert world.server.count("WATCH") == 1


# -- plugins


def kubeconfig_with_plugin(folder: Path, server: ApiServer, credential: Path, runs: Path) -> Path:
    """Write a kubeconfig that gets its token from a program, as those of clouds do."""
    api = "client.authentication.k8s.io/v1"
    shell = f"echo >>{runs}; cat {credential}"
    plugin = {"apiVersion": api, "command": "sh", "args": ["-c", shell], "interactiveMode": "Never"}
    path = write_kubeconfig(folder / "with-plugin", server.url, "")
    document = yaml.safe_load(path.read_text())
    document["users"][0]["user"] = {"exec": plugin}
    path.write_text(yaml.safe_dump(document))
    return path


def write_credential(path: Path, token: str) -> None:
    api = "client.authentication.k8s.io/v1"
    status = {"token": token}
    path.write_text(json.dumps({"apiVersion": api, "kind": "ExecCredential", "status": status}))


async def test_a_plugin_is_asked_for_a_new_token_once_however_many_were_refused(
    server: ApiServer, clock: FakeClock, tmp_path: Path
) -> None:
    credential, runs = tmp_path / "credential.json", tmp_path / "runs"
    write_credential(credential, "first")
    only_for(server, "first")
    kubeconfig = kubeconfig_with_plugin(tmp_path, server, credential, runs)
    kube = await Kube.connect(KubeOptions(kubeconfig=kubeconfig), clock)
    await kube.get(PODS, POD)
    assert len(runs.read_text()) == 1

    write_credential(credential, "second")
    only_for(server, "second")
    await asyncio.gather(*(kube.get(PODS, POD) for _ in range(20)))

    assert len(runs.read_text()) == 2
    assert shown(server)[-1] == "second"
    await kube.close()


async def test_a_plugin_that_fails_leaves_the_token_that_was(
    server: ApiServer, clock: FakeClock, tmp_path: Path
) -> None:
    credential, runs = tmp_path / "credential.json", tmp_path / "runs"
    write_credential(credential, "first")
    only_for(server, "second")
    kubeconfig = kubeconfig_with_plugin(tmp_path, server, credential, runs)
    kube = await Kube.connect(KubeOptions(kubeconfig=kubeconfig), clock)
    credential.unlink()

    with pytest.raises(Unauthorized):
        await kube.get(PODS, POD)

    assert shown(server) == ["first", "first"]
    await kube.close()
