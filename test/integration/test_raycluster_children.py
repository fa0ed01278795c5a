"""What stands around the pods of a RayCluster, and what goes wrong, on a real API server."""

from datetime import timedelta

import pytest

from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_object,
    get_objects,
    get_text,
    get_texts,
)
from ray_operator.operator.errors import NotFound
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import (
    PDBS,
    PODS,
    ROLEBINDINGS,
    ROLES,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    Resource,
)
from support.builders import IMAGE, a_cluster, a_container, a_group, a_head, a_template
from support.operator_in_process import difference, writes
from support.witness import Witness, name_of, uid_of

pytestmark = pytest.mark.usefixtures("kubelet", "operator")

QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
RAY_SERVICE = {"ray.io/originated-from-crd": "RayService", "ray.io/originated-from-cr-name": "rs"}


async def up(kube: Kube, witness: Witness, document: JsonObject) -> None:
    await kube.create(RAYCLUSTERS, document)
    await until_ready(witness, name_of(document))


async def until_ready(witness: Witness, name: str) -> None:
    await witness.until(f"{name} is ready", lambda: witness.is_true(name, "Ready"))


async def patch_spec(kube: Kube, namespace: str, **spec: JsonValue) -> None:
    await kube.patch(RAYCLUSTERS, Key(namespace, "demo"), {"spec": spec})


async def exists(kube: Kube, resource: Resource, key: Key) -> bool:
    try:
        await kube.get(resource, key)
    except NotFound:
        return False
    return True


async def test_an_autoscaler_gets_its_identity_and_rights_and_loses_them_with_it(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    await up(kube, witness, a_cluster(namespace=namespace, enableInTreeAutoscaling=True))
    key = Key(namespace, "demo")
    for resource in (SERVICEACCOUNTS, ROLES, ROLEBINDINGS):
        document = await kube.get(resource, key)
        owner = get_objects(get_object(document, "metadata"), "ownerReferences")[0]
        assert get_text(owner, "name") == "demo", resource
    head = witness.pods("headgroup")[0]
    names = [get_text(c, "name") for c in get_objects(get_object(head, "spec"), "containers")]
    assert names == ["ray-head", "autoscaler"]
    await patch_spec(kube, namespace, enableInTreeAutoscaling=False)
    await witness.until("it is drift", lambda: witness.is_true("demo", "SpecDrift"))
    await witness.until("an event", lambda: witness.events("DeletedRole"))
    for resource in (SERVICEACCOUNTS, ROLES, ROLEBINDINGS):
        assert not await exists(kube, resource, key)


async def test_a_missing_account_of_the_users_own_holds_only_the_head_back(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    template = a_template(a_container("ray-head"), serviceAccountName="mine")
    document = a_cluster(
        namespace=namespace,
        head=a_head(template),
        groups=[a_group()],
        enableInTreeAutoscaling=True,
    )
    await kube.create(RAYCLUSTERS, document)
    await witness.until("it is told", lambda: witness.events("AutoscalerServiceAccountNotFound"))
    await witness.until("the worker comes", lambda: witness.names("small"))
    assert not witness.names("headgroup")
    assert "mine" in get_text(witness.condition("demo", "Ready"), "message")


async def test_a_token_is_made_before_the_head_and_kept(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    document = a_cluster(namespace=namespace, authOptions={"mode": "token"})
    await up(kube, witness, document)
    first = await kube.get(SECRETS, Key(namespace, "demo"))
    assert len(get_text(get_object(first, "data"), "auth_token")) >= 44
    await kube.delete(PODS, Key(namespace, next(iter(witness.names("headgroup")))))
    await until_ready(witness, "demo")
    second = await kube.get(SECRETS, Key(namespace, "demo"))
    assert get_object(second, "data") == get_object(first, "data")


async def test_a_quota_is_named_as_the_cause_and_its_end_is_enough(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    quota: JsonObject = {
        "metadata": {"name": "none", "namespace": namespace},
        "spec": {"hard": {"pods": "0"}},
        "status": {"hard": {"pods": "0"}, "used": {"pods": "0"}},
    }
    await kube.create(QUOTAS, quota)
    status: JsonObject = {"status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}}
    await kube.patch(QUOTAS, Key(namespace, "none"), status, subresource="status")
    await kube.create(RAYCLUSTERS, a_cluster(namespace=namespace, groups=[a_group()]))
    told = await witness.until("it fails", lambda: witness.condition("demo", "ReplicaFailure"))
    assert get_text(told, "reason") == "FailedCreateHeadPod"
    assert "exceeded quota" in get_text(told, "message")
    assert "exceeded quota" in get_text(witness.status("demo"), "reason")
    assert witness.get(SERVICES, "demo-head-svc") is not None
    await kube.delete(QUOTAS, Key(namespace, "none"))
    await until_ready(witness, "demo")
    assert witness.condition("demo", "ReplicaFailure") == {}


async def test_a_failing_cluster_writes_its_status_once(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    bad = a_head(a_template(a_container("Not_A_Name!")))
    await kube.create(RAYCLUSTERS, a_cluster(namespace=namespace, head=bad))
    await witness.until("it fails", lambda: witness.condition("demo", "ReplicaFailure"))
    await witness.stays("a moment", lambda: True, timedelta(milliseconds=500))
    before = writes()
    await witness.stays("it fails still", lambda: True, timedelta(seconds=2))
    again = difference(before, writes())
    assert "patch rayclusters.ray.io/status" not in again
    assert again.get("create pods", 0) <= 12


async def test_recreate_replaces_all_pods_after_an_edit(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    document = a_cluster(
        namespace=namespace, groups=[a_group()], upgradeStrategy={"type": "Recreate"}
    )
    await up(kube, witness, document)
    before = {uid_of(pod) for pod in witness.pods()}
    head = a_head(a_template(a_container("ray-head", image=f"{IMAGE}-py311")))
    await patch_spec(kube, namespace, headGroupSpec=head)
    await witness.until(
        "other pods", lambda: not before & {uid_of(p) for p in witness.pods()} and witness.pods()
    )
    await witness.until("both are there", lambda: len(witness.pods()) == 2)
    await until_ready(witness, "demo")
    container = get_objects(get_object(witness.pods("headgroup")[0], "spec"), "containers")[0]
    assert get_text(container, "image") == f"{IMAGE}-py311"


async def test_without_a_strategy_an_edit_is_drift_and_pods_stay(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    await up(kube, witness, a_cluster(namespace=namespace, groups=[a_group(replicas=2)]))
    before = {uid_of(pod) for pod in witness.pods()}
    changed = a_group(replicas=2, template=a_template(a_container("ray-worker", image="other")))
    await patch_spec(kube, namespace, workerGroupSpecs=[changed])
    await witness.until("it is drift", lambda: witness.is_true("demo", "SpecDrift"))
    assert get_text(witness.condition("demo", "SpecDrift"), "message") == "small: 2 of 2 pods"
    assert {uid_of(pod) for pod in witness.pods()} == before


async def test_pods_of_a_removed_group_are_dated_and_spared_if_it_returns(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    groups = [a_group("small"), a_group("big")]
    await up(kube, witness, a_cluster(namespace=namespace, groups=groups))

    def dated() -> bool:
        pods = witness.pods("big")
        return any(
            "ray.io/delete-after" in get_texts(get_object(pod, "metadata"), "annotations")
            for pod in pods
        )

    await patch_spec(kube, namespace, workerGroupSpecs=groups[:1])
    await witness.until("they are dated", dated)
    await patch_spec(kube, namespace, workerGroupSpecs=groups)
    await witness.until("they are spared", lambda: not dated())
    assert len(witness.pods("big")) == 1


async def test_a_multi_host_replica_is_replaced_whole(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    group = a_group(replicas=2, numOfHosts=2)
    await up(kube, witness, a_cluster(namespace=namespace, groups=[group]))
    assert witness.get(SERVICES, "demo-headless") is not None
    victim = witness.pods("small")[0]
    mates = {uid_of(pod) for pod in witness.pods("small") if _replica(pod) == _replica(victim)}
    assert len(mates) == 2
    others = {uid_of(pod) for pod in witness.pods("small")} - mates
    await kube.delete(PODS, Key(namespace, name_of(victim)))
    await witness.until(
        "both are gone", lambda: not mates & {uid_of(pod) for pod in witness.pods("small")}
    )
    await witness.until("four again", lambda: len(witness.pods("small")) == 4)
    await until_ready(witness, "demo")
    assert others < {uid_of(pod) for pod in witness.pods("small")}


async def test_the_cluster_of_a_service_is_made_for_serving(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    document = a_cluster(namespace=namespace, groups=[a_group()], labels=RAY_SERVICE)
    await up(kube, witness, document)
    assert witness.get(SERVICES, "demo-dashboard-svc") is not None
    assert await exists(kube, PDBS, Key(namespace, "demo-head"))
    for pod in witness.pods():
        labels = get_texts(get_object(pod, "metadata"), "labels")
        assert labels["ray.io/serve"] == "false"
        assert get_object(pod, "spec")["terminationGracePeriodSeconds"] == 90


async def test_a_service_that_was_bent_is_mended(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    await up(kube, witness, a_cluster(namespace=namespace))
    key = Key(namespace, "demo-head-svc")
    bent: JsonObject = {"spec": {"selector": {"ray.io/cluster": "other", "extra": "x"}}}
    await kube.patch(SERVICES, key, bent)

    def mended() -> bool:
        service = witness.get(SERVICES, "demo-head-svc") or {}
        selector = get_texts(get_object(service, "spec"), "selector")
        return selector.get("ray.io/cluster") == "demo" and "extra" not in selector

    await witness.until("it is mended", mended)
    await kube.delete(SERVICES, key)
    await witness.until("it is back", lambda: witness.get(SERVICES, "demo-head-svc"))


async def test_an_edit_of_ports_reaches_the_service(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    await up(kube, witness, a_cluster(namespace=namespace))
    port: JsonObject = {"containerPort": 9000, "name": "serve-b"}
    head = a_head(a_template(a_container("ray-head", ports=[port])))
    await patch_spec(kube, namespace, headGroupSpec=head)
    await witness.until(
        "the port", lambda: "serve-b" in get_object(witness.status("demo"), "endpoints")
    )
    await witness.until("an event", lambda: witness.events("UpdatedService"))


async def test_a_cluster_made_again_at_once_comes_up_without_complaint(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    document = a_cluster(namespace=namespace, groups=[a_group()])
    await up(kube, witness, document)
    await kube.delete(RAYCLUSTERS, Key(namespace, "demo"))
    await kube.create(RAYCLUSTERS, document)
    await until_ready(witness, "demo")
    await witness.until("two pods", lambda: len(witness.pods()) == 2)
    assert witness.events("FailedToCreateService") == ()


async def test_the_peers_finalizer_does_not_hold_a_cluster_for_ever(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    document = a_cluster(namespace=namespace, annotations={"ray.io/ft-enabled": "true"})
    held: dict[str, JsonValue] = dict(get_object(document, "metadata"))
    held["finalizers"] = ["ray.io/gcs-ft-redis-cleanup-finalizer"]
    await up(kube, witness, {**document, "metadata": held})
    await kube.delete(RAYCLUSTERS, Key(namespace, "demo"))
    await witness.until("it is gone", lambda: witness.get(RAYCLUSTERS, "demo") is None)
    await witness.until("it is told", lambda: witness.events("ForceDeletedStuckCluster"))


async def test_what_is_not_built_yet_is_said(kube: Kube, namespace: str, witness: Witness) -> None:
    await kube.create(
        RAYCLUSTERS, a_cluster(namespace=namespace, networkPolicy={"mode": "DenyAll"})
    )
    told = await witness.until("a condition", lambda: witness.condition("demo", "FeaturesMissing"))
    assert "spec.networkPolicy" in get_text(told, "message")
    await witness.until("an event", lambda: witness.events("FeatureNotAvailable"))
    assert not witness.pods()


def _replica(pod: JsonObject) -> str:
    labels = get_texts(get_object(pod, "metadata"), "labels")
    return labels["ray.io/worker-group-replica-name"]
