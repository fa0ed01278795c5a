"""Worker pods as an API server sends them, 8 kB each: for what depends on their number and size."""

from datetime import UTC, datetime, timedelta

from ray_operator.api.times import format_time
from ray_operator.operator.documents import JsonObject, JsonValue, encode

PAGE = 100
HOSTS = 5
"""Pods a cluster."""
_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
_ENV: JsonValue = [
    {"name": f"VARIABLE_{n}", "value": f"value {n} of a usual length"} for n in range(40)
]
_FIELDS: JsonValue = {f"f:field{n}": {"f:name": {}, "f:value": {}} for n in range(90)}


def pod_text(number: int) -> bytes:
    """Return one pod; each has its own times, names and addresses."""
    return encode(_pod(number))


def pods_page(start: int, total: int) -> bytes:
    """Return the page of a list of `total` pods that begins with the pod `start`."""
    end = min(start + PAGE, total)
    items = b",".join(pod_text(number) for number in range(start, end))
    token = str(end) if end < total else ""
    metadata: JsonObject = {"resourceVersion": "1000000", "continue": token}
    return b'{"kind":"PodList","metadata":%s,"items":[%s]}' % (encode(metadata), items)


def _pod(number: int) -> JsonObject:
    cluster = f"cluster-{number // HOSTS}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(number, cluster),
        "spec": {
            "nodeName": f"node-{number % 100}",
            "restartPolicy": "Always",
            "containers": [
                {
                    "name": "ray-worker",
                    "image": "rayproject/ray:2.52.0",
                    "env": _ENV,
                }
            ],
        },
        "status": _status(number),
    }


def _metadata(number: int, cluster: str) -> JsonObject:
    owner: JsonObject = {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "name": cluster,
        "uid": f"7c70bb8f-bfa9-4da8-9a3e-{number // HOSTS:012d}",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "name": f"{cluster}-worker-small-{number:05d}",
        "namespace": "namespace",
        "uid": f"6c70bb8f-bfa9-4da8-9a3e-{number:012d}",
        "resourceVersion": str(1_000 + number),
        "creationTimestamp": _time(number),
        "labels": {
            "app.kubernetes.io/created-by": "kuberay-operator",
            "app.kubernetes.io/name": "kuberay",
            "ray.io/cluster": cluster,
            "ray.io/group": "small",
            "ray.io/identifier": f"{cluster}-worker",
            "ray.io/is-ray-node": "yes",
            "ray.io/node-type": "worker",
            "ray.io/worker-group-replica-index": str(number % HOSTS),
        },
        "annotations": {"ray.io/pod-spec-hash": f"v1:{number // HOSTS:032x}"},
        "ownerReferences": [owner],
        "managedFields": [{"manager": "ray-operator", "fieldsV1": _FIELDS}],
    }


def _status(number: int) -> JsonObject:
    begun, ready = _time(number + 3), _time(number + 9)
    conditions: JsonValue = [
        {"type": kind, "status": "True", "lastTransitionTime": time}
        for kind, time in (("PodScheduled", begun), ("Initialized", begun), ("Ready", ready))
    ]
    return {
        "phase": "Running",
        "podIP": f"10.1.{number // 250}.{number % 250}",
        "conditions": conditions,
        "initContainerStatuses": [
            {
                "name": "wait-gcs-ready",
                "image": "rayproject/ray:2.52.0",
                "restartCount": 0,
                "state": {
                    "terminated": {
                        "exitCode": 0,
                        "reason": "Completed",
                        "startedAt": begun,
                        "finishedAt": ready,
                    }
                },
            }
        ],
        "containerStatuses": [
            {
                "name": "ray-worker",
                "image": "rayproject/ray:2.52.0",
                "ready": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": ready}},
            }
        ],
    }


def _time(second: int) -> str:
    return format_time(_BEGINNING + timedelta(seconds=second))
