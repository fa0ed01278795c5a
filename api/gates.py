"""The names of the feature gates that validation asks about; the same as the peer's.

Which are on is decided by the operator's settings and handed in as a set of names.
"""

RAY_CLUSTER_STATUS_CONDITIONS = "RayClusterStatusConditions"
RAY_JOB_DELETION_POLICY = "RayJobDeletionPolicy"
RAY_MULTI_HOST_INDEXING = "RayMultiHostIndexing"
RAY_SERVICE_INCREMENTAL_UPGRADE = "RayServiceIncrementalUpgrade"
RAY_CRON_JOB = "RayCronJob"
RAY_CLUSTER_NETWORK_POLICY = "RayClusterNetworkPolicy"
GCS_FT_EMBEDDED_STORAGE = "GCSFaultToleranceEmbeddedStorage"
RAY_CLUSTER_MTLS = "RayClusterMTLS"
RAY_CLUSTER_HISTORY_SERVER = "RayClusterHistoryServer"
SIDECAR_SUBMITTER_RESTART = "SidecarSubmitterRestart"
KUBERNETES_WAS = "KubernetesWAS"

DEFAULT: frozenset[str] = frozenset(
    {
        RAY_CLUSTER_STATUS_CONDITIONS,
        RAY_JOB_DELETION_POLICY,
        RAY_MULTI_HOST_INDEXING,
        RAY_SERVICE_INCREMENTAL_UPGRADE,
        RAY_CRON_JOB,
        RAY_CLUSTER_NETWORK_POLICY,
        GCS_FT_EMBEDDED_STORAGE,
        RAY_CLUSTER_MTLS,
        RAY_CLUSTER_HISTORY_SERVER,
    },
)
"""On unless switched off: each is opt-in by a field of its own already.  The two others need
Kubernetes 1.35."""
