"""The four kinds of the group `ray.io`: how they are called, and how long their names may be."""

from dataclasses import dataclass

API_GROUP = "ray.io"
API_VERSION = "v1"
OLD_API_VERSION = "v1alpha1"

CURRENT_CRD_REVISION = 1
"""Raised with every change of the CRDs: the operator tells when the cluster has an older one."""

MANAGED_BY_US = "ray.io/kuberay-operator"
"""Value of `spec.managedBy` that names us; it is the peer's, so that manifests need no change."""
MANAGED_BY_MULTIKUEUE = "kueue.x-k8s.io/multikueue"
"""Value of `spec.managedBy` of an object that another controller runs: not to be touched."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One custom resource.

    `longest_name` keeps the names of the children within 63 characters: a RayCronJob's child
    gains 9 characters, a RayJob's or RayService's cluster 6, a cluster's longest Service 10.
    """

    name: str
    plural: str
    longest_name: int

    @property
    def api_version(self) -> str:
        """The `apiVersion` of the stored version."""
        return f"{API_GROUP}/{API_VERSION}"

    @property
    def crd_name(self) -> str:
        """Name of the CustomResourceDefinition."""
        return f"{self.plural}.{API_GROUP}"


RAY_CLUSTER = Kind("RayCluster", "rayclusters", 53)
RAY_JOB = Kind("RayJob", "rayjobs", 47)
RAY_SERVICE = Kind("RayService", "rayservices", 47)
RAY_CRON_JOB = Kind("RayCronJob", "raycronjobs", 36)

KINDS = (RAY_CLUSTER, RAY_JOB, RAY_SERVICE, RAY_CRON_JOB)


def is_managed_by_us(managed_by: str | None) -> bool:
    """Tell whether an object with this `spec.managedBy` is ours to reconcile."""
    return managed_by in {None, "", MANAGED_BY_US}
