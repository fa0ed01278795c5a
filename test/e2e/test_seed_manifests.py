"""The manifests of the seeds' other pages, as they stand there.

They name buckets, GPUs and applications that a test cluster lacks, so here they must be admitted
without a complaint and lead to the right children.  What seed 004's service answers is in
`test_seed_004_page.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ray_operator.operator.documents import (
    JsonObject,
    decode,
    get_items,
    get_object,
    get_objects,
    get_text,
    get_texts,
)
from support.kubectl import Kubectl
from support.manifests import SEEDS, read_manifest
from support.objects import live_pods, name_of
from support.waiting import expect, wait_until

pytestmark = pytest.mark.e2e

HEAD = "ray.io/node-type=head"
WORKER = "ray.io/node-type=worker"
HELLO = {
    "applications": [
        {
            "name": "hello",
            "route_prefix": "/hello",
            "import_path": "app.serve.hello:entrypoint",
            "runtime_env": {
                "working_dir": "s3://your-bucket/serve-app",
                "pip": ["requests"],
                "env_vars": {
                    "AWS_ACCESS_KEY_ID": "your-access-key",
                    "AWS_SECRET_ACCESS_KEY": "your-secret-key",
                    "RAY_AWS_ENDPOINT_URL": "https://s3.us-east-1.amazonaws.com",
                },
            },
            "deployments": [{"name": "entrypoint", "num_replicas": 2}],
        }
    ]
}


@contextmanager
def applied(kube: Kubectl, file: str) -> Iterator[str]:
    """Apply a page's manifest, any warning being an error; the value is what kubectl said."""
    path = str(SEEDS / file)
    try:
        yield kube.run("apply", "--warnings-as-errors", "-f", path)
    finally:
        kube.run("delete", "-f", path, "--ignore-not-found")


def test_seed_000_leads_to_a_head_and_a_worker(kube: Kubectl) -> None:
    """S0-05 to S0-17, S0-22."""
    with applied(kube, "000_rayservice.yaml") as said:
        assert said == "rayservice.ray.io/ray-serve-app created\n"
        assert kube.table("get", "rayservices").column("NAME") == ("ray-serve-app",)
        head, worker = wait_until("there are two pods", lambda: _pods(kube, workers=1))
        assert _images(head) == _images(worker) == {"rayproject/ray:2.9.0"}
        (cluster,) = kube.list("raycluster")
        config = get_text(get_object(cluster, "metadata", "annotations"), "ray.io/serve-config")
        assert decode(config) == HELLO
        service = kube.get("service", f"{name_of(cluster)}-head-svc")
        assert get_text(get_object(service, "spec"), "type") == "ClusterIP"
        ports = get_objects(get_object(service, "spec"), "ports")
        assert [port.get("port") for port in ports] == [10001, 8265, 52365, 6379, 8080, 8000]


def test_seed_001_asks_for_the_processors_memory_and_gpus_of_its_pods(kube: Kubectl) -> None:
    """S1-02 to S1-06."""
    with applied(kube, "001_rayservice.yaml") as said:
        assert said == "rayservice.ray.io/llm-service created\n"
        head, *workers = wait_until("there are three pods", lambda: _pods(kube, workers=2))
        assert {"--num-cpus=4", "--memory=8589934592"} <= _start_words(head)
        for worker in workers:
            assert {"--num-cpus=8", "--num-gpus=1"} <= _start_words(worker)
            assert _images(worker) == {"rayproject/ray-ml:2.53.0"}


def test_the_ingress_of_seed_001_is_admitted(kube: Kubectl) -> None:
    """S1-11."""
    with applied(kube, "001_ingress.yaml") as said:
        assert said == "ingress.networking.k8s.io/ray-serve-ingress created\n"


def test_the_rayjob_of_seed_003_is_admitted(kube: Kubectl) -> None:
    """S3-01 to S3-04."""
    with applied(kube, "003_rayjob.yaml") as said:
        assert said == "rayjob.ray.io/rayjob-sample created\n"
        assert kube.table("get", "rayjob").column("NAME") == ("rayjob-sample",)
        assert "rayjob-sample" in kube.run("describe", "rayjob", "rayjob-sample")


def test_seed_004_leads_to_its_pods_and_services(kube: Kubectl) -> None:
    """S4-03, S4-04."""
    with applied(kube, "004_rayservice.yaml") as said:
        assert said == "rayservice.ray.io/rayservice-sample created\n"
        head, worker = wait_until("there are two pods", lambda: _pods(kube, workers=1))
        assert {"--num-cpus=2", "--object-store-memory=100000000"} <= _start_words(head)
        assert "--node-ip-address=$MY_POD_IP" in _start_words(worker)
        asked = read_manifest(SEEDS / "004_rayservice.yaml")
        wanted = asked.value("spec.rayClusterConfig.headGroupSpec.template.metadata.labels")
        assert isinstance(wanted, dict)
        assert wanted.items() <= get_texts(get_object(head, "metadata"), "labels").items()


def _pods(kube: Kubectl, workers: int) -> tuple[JsonObject, ...]:
    """Return the head and the workers, when that many are there."""
    heads, others = live_pods(kube, HEAD), live_pods(kube, WORKER)
    expect((len(heads), len(others)) == (1, workers), [name_of(pod) for pod in heads + others])
    return heads + others


def _images(pod: JsonObject) -> set[str]:
    containers = get_objects(get_object(pod, "spec"), "containers")
    return {get_text(container, "image") for container in containers}


def _start_words(pod: JsonObject) -> set[str]:
    """Return the words of the command that starts Ray."""
    container = get_objects(get_object(pod, "spec"), "containers")[0]
    return {word for text in get_items(container, "args") for word in str(text).split()}
