"""Every annotation key that we write or read."""

# Read from a RayCluster (and so from a RayService or RayJob, whose annotations are copied to it).
FT_ENABLED = "ray.io/ft-enabled"
EXTERNAL_STORAGE_NAMESPACE = "ray.io/external-storage-namespace"
GCS_FT_DELETION_TIMEOUT = "ray.io/gcs-ft-deletion-timeout"
REDIS_CLEANUP_MODE = "ray.io/redis-cleanup-mode"
OVERWRITE_CONTAINER_CMD = "ray.io/overwrite-container-cmd"
ENABLE_SERVE_SERVICE = "ray.io/enable-serve-service"
ENABLE_AGENT_SERVICE = "ray.io/enableAgentService"
DISABLE_PROVISIONED_HEAD_RESTART = "ray.io/disable-provisioned-head-restart"
STREAM_DRIVER_LOG = "ray.io/stream-driver-log"
HEAD_PDB = "ray.io/head-pdb"
DRAIN_TIMEOUT = "ray.io/drain-timeout"
GRACEFUL_TERMINATION = "ray.io/graceful-termination"
MESH = "ray.io/mesh"
INGRESS_CLASS = "kubernetes.io/ingress.class"

# Read from a RayService.
INITIALIZING_TIMEOUT = "ray.io/initializing-timeout"
UPGRADE_TIMEOUT = "ray.io/upgrade-timeout"
UPGRADE_ON_REPLICA_CHANGE = "ray.io/upgrade-on-replica-change"
PROPAGATE_WORKER_SCALING = "ray.io/propagate-worker-scaling"
APPLY_TO_ACTIVE = "ray.io/apply-to-active"
SERVE_CONNECTION_MAX_AGE = "ray.io/serve-connection-max-age"

# Written on the RayClusters of a RayService: what they were built from, and what was sent to them.
SPEC_HASH = "ray.io/hash-without-replicas-and-workers-to-delete"
NUM_WORKER_GROUPS = "ray.io/num-worker-groups"
WORKER_REPLICAS = "ray.io/worker-replicas"
SERVE_CONFIG = "ray.io/serve-config"
SERVE_CONFIG_HASH = "ray.io/serve-config-hash"
SERVE_CONFIG_SUBMITTED = "ray.io/serve-config-submitted"
DELETE_AFTER = "ray.io/delete-after"
LEFT_TRAFFIC_AT = "ray.io/left-traffic-at"

# Written on a RayCluster of a RayService: how many in a row replaced an ill one, and when the last.
HEALTH_REPLACEMENTS = "ray.io/health-replacements"

# Written on pods.
UPGRADE_STRATEGY_RECREATE_HASH = "ray.io/upgrade-strategy-recreate-hash"
KUBERAY_VERSION = "ray.io/kuberay-version"
POD_SPEC_HASH = "ray.io/pod-spec-hash"
# Of a replacement: how many pods in its place failed before they were ever Ready.
FAILED_STARTS = "ray.io/failed-starts"

# Written on the children of a RayCronJob.
CRONJOB_SCHEDULED_TIMESTAMP = "ray.io/cronjob-scheduled-timestamp"

# On our CustomResourceDefinitions: raised with each change of a schema.
CRD_REVISION = "ray.io/crd-revision"

# Batch schedulers.
VOLCANO_GROUP_NAME = "scheduling.k8s.io/group-name"
VOLCANO_TASK_SPEC = "volcano.sh/task-spec"
YUNIKORN_TASK_GROUPS = "yunikorn.apache.org/task-groups"
YUNIKORN_TASK_GROUP_NAME = "yunikorn.apache.org/task-group-name"

# Never copied to children: kubectl would take the child for its own, Argo CD would delete it.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ARGOCD_PREFIX = "argocd.argoproj.io/"
# Never copied from a cluster to its Ingress or Route.
RAY_PREFIX = "ray.io/"


def is_copied_to_cluster(key: str) -> bool:
    """Tell whether a RayService or RayJob hands this annotation on to its RayClusters."""
    return key != LAST_APPLIED and not key.startswith(ARGOCD_PREFIX)
