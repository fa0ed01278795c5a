"""The code that the samples fetch from the web, served inside the cluster under that name.

So a manifest is applied with its address as it is written. CoreDNS turns the name to a server
of ours, whose certificate Ray's image trusts; the zip holds our own samples.
"""

import base64
import io
import json
import zipfile

from hack.cluster import certificates, kubectl
from hack.cluster.cache import key
from hack.cluster.certificates import Certificates
from hack.cluster.shell import Shell
from hack.cluster.versions import HERE, RAY_IMAGE, REPOSITORY

NAMESPACE = "sample-web"
SAMPLES = REPOSITORY / "hack" / "samples"

# The commits that the samples name. All get today's code: the published one passes options
# that newer Ray refuses.
COMMITS = (
    "41d09119cbdf8450599f993f51318e9e27c59098",
    "c620251044717ace0a4c19d766d43c5099af8a77",
)

REWRITES = tuple(
    f"rewrite name exact {name} sample-web.{NAMESPACE}.svc.cluster.local"
    for name in certificates.NAMES
)

# A zip knows no earlier time.
OLDEST = (1980, 1, 1, 0, 0, 0)
READY_SECONDS = "180s"


def up(shell: Shell, made: Certificates) -> None:
    """Have the server up and the names turned to it."""
    files = {f"ray-project_test_dag_archive_{commit}.zip": bundle(commit) for commit in COMMITS}
    server = (HERE / "web_server.py").read_bytes()
    kubectl.apply(
        shell,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _config_map("server", {"server.py": server}),
        _config_map("files", files),
        _secret(made),
    )
    content = key(server.decode(), *(base64.b64encode(file).decode() for file in files.values()))
    text = (HERE / "manifests/sample-web.yaml").read_text()
    kubectl.apply_text(shell, text.replace("@IMAGE@", RAY_IMAGE).replace("@CONTENT@", content))
    _turn_names(shell)
    for namespace, name in ((NAMESPACE, "sample-web"), ("kube-system", "coredns")):
        shell.run(
            *("kubectl", "rollout", "status", f"deployment/{name}"),
            *(f"--namespace={namespace}", f"--timeout={READY_SECONDS}"),
        )


def bundle(commit: str) -> bytes:
    """A zip as GitHub makes them: all in one folder, which Ray takes off again."""
    buffer = io.BytesIO()
    folder = f"test_dag-{commit}"
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{folder}/", OLDEST), b"")
        for sample in sorted(SAMPLES.glob("*.py")):
            member = zipfile.ZipInfo(f"{folder}/{sample.name}", OLDEST)
            member.external_attr = 0o644 << 16
            archive.writestr(member, sample.read_bytes())
    return buffer.getvalue()


def _config_map(name: str, files: dict[str, bytes]) -> kubectl.Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "binaryData": {file: _base64(content) for file, content in files.items()},
    }


def _secret(made: Certificates) -> kubectl.Manifest:
    files = {"tls.crt": made.server, "tls.key": made.server_key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "certificate", "namespace": NAMESPACE},
        "data": {name: _base64(path.read_bytes()) for name, path in files.items()},
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _turn_names(shell: Shell) -> None:
    where = ("--namespace=kube-system", "configmap/coredns")
    corefile = shell.output("kubectl", "get", *where, "-o", "jsonpath={.data.Corefile}")
    turned = with_rewrites(corefile)
    if turned != corefile:
        patch = json.dumps({"data": {"Corefile": turned}})
        shell.run("kubectl", "patch", *where, "--type=merge", f"--patch={patch}")
        # CoreDNS would find out by itself, within two minutes
        shell.run("kubectl", "rollout", "restart", "--namespace=kube-system", "deployment/coredns")


def with_rewrites(corefile: str) -> str:
    """The Corefile with our rewrites, once, at the head of its first server block."""
    if REWRITES[0] in corefile:
        return corefile
    head, brace, rest = corefile.partition("{\n")
    return head + brace + "".join(f"    {rewrite}\n" for rewrite in REWRITES) + rest
