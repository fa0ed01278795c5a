"""What a manifest may ask for and this release does not do yet: said plainly, never silently.

Where going on would be unsafe (traffic that the user wants closed stays open) or pointless (a pod
that can't start), no pods are made.  An entry goes when its feature comes.
"""

from dataclasses import dataclass

from ray_operator.controllers.manifests.cluster import Cluster, FaultTolerance, UpgradeStrategy
from ray_operator.operator.documents import get_flag, get_object, get_text

FEATURES_MISSING = "FeaturesMissing"
"""Type of the condition; present only while something is missing."""
NOT_BUILT = "NotBuiltYet"
EVENT = "FeatureNotAvailable"


@dataclass(frozen=True, slots=True)
class Missing:
    """A field that has no effect yet; `blocks` if pods must not be made without it."""

    field: str
    consequence: str
    blocks: bool = False

    def __str__(self) -> str:
        return f"{self.field}: {self.consequence}"


def missing_features(cluster: Cluster) -> tuple[Missing, ...]:
    """Return what the cluster asks for in vain."""
    return (*_blocking(cluster), *_harmless(cluster))


def _blocking(cluster: Cluster) -> list[Missing]:
    found: list[Missing] = []
    if "networkPolicy" in cluster.spec:
        text = "network policies are not made yet; no pods are made without them"
        found.append(Missing("spec.networkPolicy", text, blocks=True))
    if get_flag(get_object(cluster.spec, "tlsOptions"), "enabled"):
        text = "certificates are not made yet; no pods are made without them"
        found.append(Missing("spec.tlsOptions", text, blocks=True))
    storage = get_object(cluster.fault_tolerance_options, "storage")
    own_claim = get_text(storage, "claimName")
    if cluster.fault_tolerance is FaultTolerance.ROCKSDB and not own_claim:
        text = "the claim is not made yet; make one and name it in storage.claimName"
        found.append(Missing("spec.gcsFaultToleranceOptions.storage", text, blocks=True))
    return found


def _harmless(cluster: Cluster) -> list[Missing]:
    found: list[Missing] = []
    if get_flag(get_object(cluster.spec, "headGroupSpec"), "enableIngress"):
        found.append(Missing("spec.headGroupSpec.enableIngress", "no Ingress is made yet"))
    if "historyServerOptions" in cluster.spec:
        found.append(Missing("spec.historyServerOptions", "no collector is added yet"))
    if "idle" in cluster.spec:
        found.append(Missing("spec.idle", "idle clusters are not suspended or deleted yet"))
    if cluster.upgrade_strategy is UpgradeStrategy.ROLLING_UPDATE:
        text = "pods are not rolled yet; they keep the old spec until they are recreated"
        found.append(Missing("spec.upgradeStrategy", text))
    if cluster.fault_tolerance is FaultTolerance.REDIS:
        text = f"keys of {cluster.storage_namespace!r} stay in Redis when the cluster is deleted"
        found.append(Missing("GCS fault tolerance", text))
    return found
