"""What is created for a benchmark: namespaces, nodes, RayClusters."""

from ray_operator.operator.documents import JsonObject

IMAGE = "rayproject/ray:2.52.0"


def a_namespace(name: str) -> JsonObject:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def a_node(number: int) -> JsonObject:
    """A node that kwok plays."""
    name = f"node-{number:03}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
    }


def a_cluster(name: str, workers: int) -> JsonObject:
    """A RayCluster with one head and one group of workers, as small as they get."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": name},
        "spec": {
            "rayVersion": "2.52.0",
            "headGroupSpec": {"rayStartParams": {}, "template": _template("ray-head")},
            "workerGroupSpecs": [
                {
                    "groupName": "workers",
                    "replicas": workers,
                    "minReplicas": 0,
                    "maxReplicas": 1000,
                    "rayStartParams": {},
                    "template": _template("ray-worker"),
                }
            ],
        },
    }


def _template(container: str) -> JsonObject:
    amounts = {"cpu": "500m", "memory": "1Gi"}
    resources = {"requests": amounts, "limits": amounts}
    return {"spec": {"containers": [{"name": container, "image": IMAGE, "resources": resources}]}}
