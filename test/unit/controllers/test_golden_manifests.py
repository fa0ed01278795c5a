"""The manifests of raycluster.md §19 and their variations, compared whole."""

from ray_operator.controllers.manifests import authentication, autoscaler, services, termination
from ray_operator.controllers.manifests.cluster import Cluster
from ray_operator.controllers.manifests.metadata import Slot
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.pods import head_pod, worker_pod
from support.builders import a_cluster, a_container, a_group, a_head, a_template, resources, seen
from support.golden import assert_golden

OPTIONS = BuildOptions(version="0.1.0")
RAY_SERVICE = {
    "ray.io/originated-from-crd": "RayService",
    "ray.io/originated-from-cr-name": "fruit",
}


def demo() -> Cluster:
    """The cluster of §19."""
    head = a_container(
        "ray-head",
        env=[{"name": "FOO", "value": "bar"}],
        resources=resources(cpu="2", memory="4Gi"),
    )
    worker = a_container("ray-worker", resources=resources(cpu="1", memory="1Gi"))
    return seen(
        a_cluster(
            head=a_head(a_template(head)),
            groups=[a_group(template=a_template(worker))],
            enableInTreeAutoscaling=True,
            autoscalerOptions={"version": "v2"},
        ),
    )


def plain(**changes: object) -> Cluster:
    head = a_container("ray-head", resources=resources(cpu="1", memory="2Gi"))
    worker = a_container("ray-worker", resources=resources(cpu="1", memory="1Gi"))
    arguments = {
        "head": a_head(a_template(head)),
        "groups": [a_group(template=a_template(worker))],
        **changes,
    }
    return seen(a_cluster(**arguments))  # type: ignore[arg-type]  # keywords are passed on


def test_the_head_pod_of_the_specification() -> None:
    assert_golden("demo_head", head_pod(demo(), "demo-head-wfns7", Slot(), OPTIONS))


def test_the_worker_pod_of_the_specification() -> None:
    cluster = demo()
    pod = worker_pod(cluster, cluster.workers[0], "demo-worker-small-hdntw", Slot(), OPTIONS)
    assert_golden("demo_worker", pod)


def test_the_head_service_of_the_specification() -> None:
    assert_golden("demo_head_service", services.head_service(demo(), OPTIONS))


def test_the_autoscalers_identity_and_rights() -> None:
    cluster = demo()
    assert_golden("demo_service_account", autoscaler.service_account(cluster))
    assert_golden("demo_role", autoscaler.role(cluster))
    assert_golden("demo_role_binding", autoscaler.role_binding(cluster))


def test_pods_of_a_service() -> None:
    cluster = plain(labels=RAY_SERVICE, rayVersion="2.60.0")
    assert_golden("service_head", head_pod(cluster, "h", Slot(), OPTIONS))
    assert_golden("service_worker", worker_pod(cluster, cluster.workers[0], "w", Slot(), OPTIONS))
    assert_golden("service_head_budget", termination.head_budget(cluster))
    assert_golden("service_dashboard_service", services.dashboard_service(cluster))


def test_pods_with_a_redis_behind_gcs() -> None:
    cluster = plain(
        gcsFaultToleranceOptions={
            "redisAddress": "redis:6379",
            "redisUsername": {"value": "me"},
            "redisPassword": {"valueFrom": {"secretKeyRef": {"name": "redis", "key": "p"}}},
        },
    )
    assert_golden("redis_head", head_pod(cluster, "h", Slot(), OPTIONS))
    assert_golden("redis_worker", worker_pod(cluster, cluster.workers[0], "w", Slot(), OPTIONS))


def test_pods_that_prove_themselves_by_a_token() -> None:
    cluster = plain(authOptions={"mode": "token"}, enableInTreeAutoscaling=True)
    assert_golden("token_head", head_pod(cluster, "h", Slot(), OPTIONS))
    assert_golden("token_worker", worker_pod(cluster, cluster.workers[0], "w", Slot(), OPTIONS))
    assert_golden("token_secret", authentication.secret(cluster, "dG9rZW4="))


def test_pods_that_prove_themselves_by_their_service_account() -> None:
    cluster = plain(authOptions={"enableK8sTokenAuth": True}, rayVersion="2.55.0")
    assert_golden("kubernetes_token_head", head_pod(cluster, "h", Slot(), OPTIONS))


def test_services_of_multi_host_and_serving_clusters() -> None:
    cluster = plain()
    assert_golden("headless_service", services.headless_service(cluster))
    assert_golden("cluster_serve_service", services.cluster_serve_service(cluster))
