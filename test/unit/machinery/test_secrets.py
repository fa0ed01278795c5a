"""What is secret is in no error and no log line, however broken what holds it is."""

from pathlib import Path

import pytest

from ray_operator.operator.clock import SystemClock
from ray_operator.operator.errors import KubeError, SettingsError
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.resources import SECRETS
from support.api_server import TOKEN, ApiServer, a_pod, hung_up, refusal, reply

BROKEN = {
    "a file that ends too early": "users: [{name: a, user: {token: very-secret",
    "a tab where none may be": "a: b\n\ttoken: very-secret\n",
    "a user that is no map": """
users:
- {name: test, user: very-secret}
contexts:
- {name: test, context: {cluster: test, user: test}}
clusters:
- {name: test, cluster: {server: "http://127.0.0.1:1"}}
current-context: test
""",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_kubeconfig_is_not_quoted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    caplog.set_level("DEBUG")
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(text)

    with pytest.raises(SettingsError, match="no usable configuration") as caught:
        await Kube.connect(KubeOptions(kubeconfig=kubeconfig), SystemClock())

    assert "very-secret" not in str(caught.value)
    assert "very-secret" not in caplog.text


async def test_no_request_or_failure_tells_the_token_or_what_a_secret_holds(
    server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    path = "/api/v1/namespaces/ns/secrets"
    server.on("POST", path, hung_up(), refusal(422, "Invalid", "no"), reply(a_pod("a")))
    server.on("GET", f"{path}/a", refusal(401, "Unauthorized", "no"))
    manifest = {"metadata": {"namespace": "ns", "name": "a"}, "data": {"auth_token": "c2VjcmV0"}}
    told = []

    async with server.connected() as kube:
        for _ in range(2):
            with pytest.raises(KubeError) as refused:
                await kube.create(SECRETS, manifest)
            told.append(str(refused.value))
        await kube.create(SECRETS, manifest)
        with pytest.raises(KubeError) as unauthorized:
            await kube.get(SECRETS, Key("ns", "a"))
        told.append(str(unauthorized.value))

    everything = " ".join((*told, *(str(record.__dict__) for record in caplog.records)))
    assert TOKEN not in everything
    assert "c2VjcmV0" not in everything
