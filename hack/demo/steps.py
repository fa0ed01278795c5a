"""The demo's steps, in their order.

Each is a command that a person could type, and is shown as such: the demo teaches by what it does.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from hack.cluster.progress import Progress, clock

SAMPLE = "config/samples/ray_v1alpha1_rayservice.yaml"
SERVICE = "rayservice-sample"
CURL_POD = "curl"
CURL_IMAGE = "radial/busyboxplus:curl"
# The path, what is sent, and what the sample's page says comes back.
QUESTIONS = (
    ("/fruit/", '["MANGO", 2]', "6"),
    ("/calc/", '["MUL", 3]', '"15 pizzas please!"'),
)
# Cold, two cores: image pulls and Ray's start fit in several times over.
READY_SECONDS = 600
# kube-proxy and DNS follow the Service within a second; this is for a busy machine.
ANSWER_SECONDS = 60
RETRY_SECONDS = 0.5


class DemoError(Exception):
    """A step that did not come about; the text says which, and where to look."""


def up(progress: Progress) -> None:
    """Bring everything up and show the answers.

    Raises:
        DemoError: a step failed.
    """
    began = time.monotonic()
    _make("deploy")
    environment = _cluster_environment()
    kubectl = partial(_kubectl, environment)
    with progress.stage(f"kubectl apply -f {SAMPLE}"):
        kubectl("apply", "-f", SAMPLE)
    applied = time.monotonic()
    with progress.stage("Ray starts, Serve deploys the fruit stand and the calculator"):
        _wait_until_ready(kubectl)
    with progress.stage("a pod to ask from"):
        _curl_pod(kubectl)
    print()
    for question in QUESTIONS:
        _ask(kubectl, *question)
    seconds = time.monotonic() - applied
    print(f"From kubectl apply to both answers: {clock(seconds)}; all told: {_since(began)}.")
    print(_whats_next())


def down(progress: Progress) -> None:
    """Remove what the demo made: the cluster if it is ours, else the objects in it.

    Raises:
        DemoError: a step failed.
    """
    if os.environ.get("CLUSTER") == "current":
        kubectl = partial(_kubectl, _cluster_environment())
        with progress.stage("the sample, and the pod that asked"):
            kubectl("delete", "--ignore-not-found", "-f", SAMPLE)
            kubectl("delete", "--ignore-not-found", "pod", CURL_POD)
        _make("undeploy")
    else:
        _make("cluster-down", "ALL=1")


def _wait_until_ready(kubectl: Callable[..., str]) -> None:
    wait = f"--timeout={READY_SECONDS}s"
    try:
        kubectl("wait", "rayservice", SERVICE, "--for=condition=Ready", wait)
    except DemoError as error:
        state = kubectl("describe", "rayservice", SERVICE)
        raise DemoError(f"{error}\n\nIts state:\n{state}") from error


def _curl_pod(kubectl: Callable[..., str]) -> None:
    kubectl("delete", "pod", CURL_POD, "--ignore-not-found", "--now")
    kubectl("run", CURL_POD, f"--image={CURL_IMAGE}", "--command", "--", "sleep", "infinity")
    kubectl("wait", "pod", CURL_POD, "--for=condition=Ready", "--timeout=120s")


def _ask(kubectl: Callable[..., str], path: str, body: str, expected: str) -> None:
    """Show one request as it is typed, and its answer.

    Raises:
        DemoError: the answer is not what the sample's page says.
    """
    url = f"{SERVICE}-serve-svc:8000{path}"
    print(f"$ curl -X POST -H 'Content-Type: application/json' {url} -d '{body}'")
    end = time.monotonic() + ANSWER_SECONDS
    while True:
        answer = _answer(kubectl, url, body)
        if answer == expected or time.monotonic() > end:
            break
        time.sleep(RETRY_SECONDS)
    print(f"{answer}\n", flush=True)
    if answer != expected:
        raise DemoError(f"{path} answered {answer!r}, not {expected!r}")


def _answer(kubectl: Callable[..., str], url: str, body: str) -> str:
    curl = ["curl", "--silent", "--show-error", "--max-time", "10"]
    request = ["-X", "POST", "-H", "Content-Type: application/json", url, "-d", body]
    try:
        return kubectl("exec", CURL_POD, "--", *curl, *request).strip()
    except DemoError as error:
        return str(error)


def _make(*arguments: str) -> None:
    """Run a make target in the open: it shows its own progress."""
    if subprocess.run(["make", *arguments], check=False).returncode:
        raise DemoError(f"make {' '.join(arguments)} failed; its own words stand above")


def _cluster_environment() -> Mapping[str, str]:
    """The variables that make kubectl talk to the demo's cluster.

    Raises:
        DemoError: `$CLUSTER` names none.
    """
    command = [sys.executable, "-m", "hack.cluster", "env"]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    if told.returncode:
        raise DemoError(told.stderr.strip().removeprefix("error: "))
    text = told.stdout
    exports = re.findall(r"^export (\w+)=(.*)$", text, flags=re.MULTILINE)
    shown = subprocess.run(
        ["bash", "-c", f"{text}\nenv -0"], check=True, capture_output=True, text=True
    )
    everything = dict(pair.split("=", 1) for pair in shown.stdout.split("\0") if "=" in pair)
    ours = {name: everything[name] for name, _ in exports}
    # The environment's own kubectl is the last resort, for CLUSTER=current.
    path = os.pathsep.join((ours.get("PATH", os.environ["PATH"]), str(Path(sys.executable).parent)))
    return {**os.environ, **ours, "PATH": path}


def _kubectl(environment: Mapping[str, str], *arguments: str) -> str:
    """Return what kubectl printed.

    Raises:
        DemoError: kubectl failed; the text is what it said.
    """
    command: Sequence[str] = ["kubectl", *arguments]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise DemoError(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def _since(began: float) -> str:
    return clock(time.monotonic() - began)


def _whats_next() -> str:
    return f"""
What to try next (copy the first line into your shell, so that kubectl talks to this cluster):

  eval "$(make --silent env)"
  kubectl get rayservice,raycluster,pods,services
  kubectl describe rayservice {SERVICE}
  # Ray's dashboard, at http://localhost:8265
  kubectl port-forward svc/{SERVICE}-head-svc 8265:8265
  # A mango costs 4: the same cluster, 8 for two.
  sed 's/price: 3/price: 4/' {SAMPLE} | kubectl apply -f -
  # Another Ray version: a new cluster takes over, then the old one goes.
  sed "s/rayVersion: .*/rayVersion: '2.100.0'/" {SAMPLE} | kubectl apply -f -
  kubectl logs --namespace ray-system deployment/ray-operator

To take all of this down again:

  make demo-down
"""
