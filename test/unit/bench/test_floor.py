"""The floor makes what the operator made, under other names."""

import json

from hack.bench.floor import Recorded
from hack.bench.recording import Creation

NAMESPACE, NAME, UID = "warm-up-xq", "recorded-name-xq", "11111111-2222-3333-4444-555555555555"


def a_creation(kind: str, name: str, node_type: str = "") -> Creation:
    """What the operator posted for the recorded cluster."""
    labels = {"ray.io/cluster": NAME, "ray.io/node-type": node_type}
    owner = {"kind": "RayCluster", "name": NAME, "uid": UID}
    body = {
        "metadata": {"name": name, "labels": labels, "ownerReferences": [owner]},
        "spec": {"address": f"{NAME}-head-svc.{NAMESPACE}.svc.cluster.local"},
    }
    return Creation(f"/api/v1/namespaces/{NAMESPACE}/{kind}", json.dumps(body).encode())


RECORDED = Recorded(
    NAMESPACE,
    NAME,
    UID,
    workers=2,
    creations=(
        a_creation("services", f"{NAME}-head-svc"),
        a_creation("pods", f"{NAME}-head-abcde", "head"),
        a_creation("pods", f"{NAME}-workers-worker-fghij", "worker"),
        a_creation("pods", f"{NAME}-workers-worker-klmno", "worker"),
    ),
)


def test_name_namespace_and_uid_are_the_new_clusters_everywhere() -> None:
    made = RECORDED.of_cluster("bench", "other", "99")
    assert {each.path for each in made} == {
        "/api/v1/namespaces/bench/services",
        "/api/v1/namespaces/bench/pods",
    }
    text = b"".join(each.body for each in made).decode()
    assert not any(old in text for old in (NAMESPACE, NAME, UID))
    assert '"other-head-svc.bench.svc.cluster.local"' in text
    assert len({each.name for each in made}) == len(made)


def test_more_workers_differ_in_their_names_alone() -> None:
    made = RECORDED.of_workers("bench", "other", "99", 3)
    assert [each.name for each in made] == [f"other-more-{n:04}" for n in range(3)]
    assert len({each.body.replace(each.name.encode(), b"") for each in made}) == 1


def test_a_smaller_cluster_lacks_workers_and_nothing_else() -> None:
    few = RECORDED.smaller(1)
    assert [each.node_type for each in few.creations] == ["", "head", "worker"]
    assert few.workers == 1
