"""Every label key that we write or read, and the values with a meaning.

Keys and values are those of the peer, because users, Kueue, the Ray autoscaler and dashboards
select by them: changing one breaks them silently.
"""

# On pods, and on what selects them.
CLUSTER = "ray.io/cluster"
NODE_TYPE = "ray.io/node-type"
GROUP = "ray.io/group"
IS_RAY_NODE = "ray.io/is-ray-node"
IDENTIFIER = "ray.io/identifier"
APP_NAME = "app.kubernetes.io/name"
CREATED_BY = "app.kubernetes.io/created-by"
COMPONENT = "app.kubernetes.io/component"

# On the pods of a service's clusters; on the serve Service the value is `<owner>-serve`.
SERVE = "ray.io/serve"
# Which pods take a share of the traffic while an upgrade runs without a Gateway.
SERVE_SHARE = "ray.io/serve-share"

# On the pods of multi-host groups.
REPLICA_INDEX = "ray.io/worker-group-replica-index"
REPLICA_NAME = "ray.io/worker-group-replica-name"
HOST_INDEX = "ray.io/replica-host-index"

# On services.
HEADLESS_WORKER_SERVICE = "ray.io/headless-worker-svc"
CLUSTER_DASHBOARD = "ray.io/cluster-dashboard"
SERVICE_NAME = "kubernetes.io/service-name"

# On the children of RayJob, RayService and RayCronJob.
ORIGINATED_FROM_NAME = "ray.io/originated-from-cr-name"
ORIGINATED_FROM_CRD = "ray.io/originated-from-crd"
JOB_SUBMISSION_MODE = "ray.io/job-submission-mode"
CRONJOB_NAME = "ray.io/cronjob-name"

# Read from the top-level object, for batch schedulers.
GANG_SCHEDULING_ENABLED = "ray.io/gang-scheduling-enabled"
PRIORITY_CLASS_NAME = "ray.io/priority-class-name"
VOLCANO_QUEUE = "volcano.sh/queue-name"
VOLCANO_TOPOLOGY_MODE = "volcano.sh/network-topology-mode"
VOLCANO_TOPOLOGY_TIER = "volcano.sh/network-topology-highest-tier-allowed"
YUNIKORN_APP_ID = "yunikorn.apache.org/app-id"
YUNIKORN_QUEUE = "yunikorn.apache.org/queue"
YUNIKORN_POD_APP_ID = "applicationId"
YUNIKORN_POD_QUEUE = "queue"
KAI_QUEUE = "kai.scheduler/queue"
SCHEDULER_PLUGINS_POD_GROUP = "scheduling.x-k8s.io/pod-group"

# Values.
HEAD = "head"
WORKER = "worker"
REDIS_CLEANUP = "redis-cleanup"
HEAD_GROUP = "headgroup"
SUBMITTER_GROUP = "submittergroup"
YES = "yes"
TRUE = "true"
FALSE = "false"
APP_NAME_VALUE = "kuberay"
CREATED_BY_VALUE = "kuberay-operator"
