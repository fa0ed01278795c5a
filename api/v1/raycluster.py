# Made by hack/generate_models.py from hack/crds; change those and run `make generate`.

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field
from ray_operator.api.model import Model, OpaqueObject, OpaqueValue


class AutoscalerOptions(Model):
    """How Ray's autoscaler runs and scales."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    version: Literal['v1', 'v2'] | None = None
    """Version of the autoscaler; absent leaves it to Ray (v2 from Ray 2.47)."""
    idle_timeout_seconds: Annotated[int | None, Field(alias='idleTimeoutSeconds')] = (
        None
    )
    """Seconds without work after which a worker is removed; absent is Ray's 60."""
    upscaling_mode: Annotated[
        Literal['Default', 'Aggressive', 'Conservative'] | None,
        Field(alias='upscalingMode'),
    ] = None
    """How fast Ray adds workers."""
    image: str | None = None
    """Image of the autoscaler; absent is the head's Ray image."""
    image_pull_policy: Annotated[str | None, Field(alias='imagePullPolicy')] = None
    """Pull policy of the autoscaler's image; absent is IfNotPresent."""
    resources: OpaqueObject | None = None
    """Replaces requests and limits of 500m CPU and 512Mi as a whole."""
    security_context: Annotated[OpaqueObject | None, Field(alias='securityContext')] = (
        None
    )
    """Security context of the autoscaler's container."""
    env: list[OpaqueObject] | None = None
    """Environment appended to the autoscaler's own."""
    env_from: Annotated[list[OpaqueObject] | None, Field(alias='envFrom')] = None
    """Sources of environment for the autoscaler."""
    volume_mounts: Annotated[list[OpaqueObject] | None, Field(alias='volumeMounts')] = (
        None
    )
    """Mounts appended to the autoscaler's own."""
    command: list[str] | None = None
    """Replaces the generated command."""
    args: list[str] | None = None
    """Replaces the generated arguments."""


class IngressOptions(Model):
    """Details of that Ingress."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    host: str | None = None
    """Host to serve; absent is any."""
    path: str | None = None
    """Path to serve; absent is /."""
    path_type: Annotated[
        Literal['Exact', 'Prefix', 'ImplementationSpecific'] | None,
        Field(alias='pathType'),
    ] = None
    """How the path is matched; absent is Prefix."""
    tls: list[OpaqueObject] | None = None
    """Certificates of the Ingress."""


class HeadGroupSpec(Model):
    """The head of the cluster, one pod."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    template: OpaqueObject
    """Template of the head pod; its first container runs Ray."""
    ray_start_params: Annotated[
        dict[str, OpaqueValue] | None, Field(alias='rayStartParams')
    ] = None
    """Flags of `ray start` without the dashes; values are text, numbers or booleans."""
    replicas: int | None = None
    """Accepted for old manifests and ignored; there is one head."""
    resources: dict[str, str] | None = None
    """Ray's logical resources of a pod, such as CPU, GPU or names of one's own."""
    labels: dict[str, str] | None = None
    """Labels of the Ray node and of the pod."""
    service_type: Annotated[str | None, Field(alias='serviceType')] = None
    """Type of the head's Service; absent is ClusterIP."""
    head_service: Annotated[OpaqueObject | None, Field(alias='headService')] = None
    """A Service to merge into the one in front of the head."""
    enable_ingress: Annotated[bool | None, Field(alias='enableIngress')] = None
    """True makes an Ingress (on OpenShift a Route) to the dashboard."""
    ingress_options: Annotated[IngressOptions | None, Field(alias='ingressOptions')] = (
        None
    )
    """Details of that Ingress."""


class ScaleStrategy(Model):
    """Written by Ray's autoscaler."""

    workers_to_delete: Annotated[list[str] | None, Field(alias='workersToDelete')] = (
        None
    )
    """Names of the pods to remove."""


class WorkerGroupSpec(Model):
    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    group_name: Annotated[str, Field(alias='groupName')]
    """Name of the group, unique in the cluster and valid as a label value."""
    replicas: int | None = 0
    """Replicas to run; a replica is numOfHosts pods. Kept within min and max."""
    min_replicas: Annotated[int | None, Field(alias='minReplicas')] = 0
    """Fewest replicas to run."""
    max_replicas: Annotated[int | None, Field(alias='maxReplicas')] = 2147483647
    """Most replicas to run."""
    num_of_hosts: Annotated[int | None, Field(alias='numOfHosts')] = 1
    """Pods of one replica; they live and die together. 0 counts as 1."""
    idle_timeout_seconds: Annotated[int | None, Field(alias='idleTimeoutSeconds')] = (
        None
    )
    """Like that of autoscalerOptions, for this group; needs the autoscaler v2."""
    priority: int | None = 0
    """The autoscaler prefers groups with a greater value; needs Ray 2.56."""
    suspend: bool | None = None
    """True deletes the group's pods and keeps the group."""
    template: OpaqueObject
    """Template of the group's pods; the first container runs Ray."""
    ray_start_params: Annotated[
        dict[str, OpaqueValue] | None, Field(alias='rayStartParams')
    ] = None
    """Flags of `ray start` without the dashes; values are text, numbers or booleans."""
    resources: dict[str, str] | None = None
    """Ray's logical resources of a pod, such as CPU, GPU or names of one's own."""
    labels: dict[str, str] | None = None
    """Labels of the Ray node and of the pod."""
    scale_strategy: Annotated[ScaleStrategy | None, Field(alias='scaleStrategy')] = None
    """Written by Ray's autoscaler."""


class RollingUpdate(Model):
    """The pace of RollingUpdate."""

    max_unavailable: Annotated[int | str | None, Field(alias='maxUnavailable')] = None
    """Replicas of a group that may be missing, a number or percentage; absent is 25%."""
    max_surge: Annotated[int | str | None, Field(alias='maxSurge')] = None
    """Replicas of a group that may be added, a number or percentage; absent is 0."""


class UpgradeStrategy(Model):
    """What a change of the spec does to running pods."""

    type: Literal['Recreate', 'RollingUpdate', 'None'] | None = None
    """None (or absent) leaves pods as they are, Recreate replaces all at once, RollingUpdate replaces workers a few at a time."""
    rolling_update: Annotated[RollingUpdate | None, Field(alias='rollingUpdate')] = None
    """The pace of RollingUpdate."""


class AuthOptions(Model):
    """Authentication of the cluster's own interfaces."""

    mode: Literal['disabled', 'token'] | None = None
    """token asks every client for a token; absent is token."""
    secret_name: Annotated[str | None, Field(alias='secretName')] = None
    """An existing Secret with the key auth_token; absent makes one."""
    enable_k8s_token_auth: Annotated[bool | None, Field(alias='enableK8sTokenAuth')] = (
        None
    )
    """True accepts Kubernetes tokens instead; needs Ray 2.55 and a plain RayCluster."""


class Credential(Model):
    """A text, or where to take it from."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    value: str | None = None
    """The text itself."""
    value_from: Annotated[OpaqueObject | None, Field(alias='valueFrom')] = None
    """A Secret's or ConfigMap's key, or a field of the pod."""


class Storage(Model):
    """The volume of the rocksdb backend."""

    claim_name: Annotated[str | None, Field(alias='claimName')] = None
    """An existing PersistentVolumeClaim."""
    size: int | str | None = None
    """Size of the claim to make; absent is 1Gi."""
    storage_class_name: Annotated[str | None, Field(alias='storageClassName')] = None
    """Class of the claim to make; absent is the Kubernetes cluster's default."""
    access_modes: Annotated[list[str] | None, Field(alias='accessModes')] = None
    """Access modes of the claim to make; absent is ReadWriteOnce."""
    sub_path: Annotated[str | None, Field(alias='subPath')] = None
    """Folder of the volume to use."""
    deletion_policy: Annotated[
        Literal['DeleteWithCluster', 'Retain'] | None, Field(alias='deletionPolicy')
    ] = None
    """What becomes of the claim with the cluster; absent is DeleteWithCluster."""


class GcsFaultToleranceOptions(Model):
    """Where the head keeps its state, so that the cluster survives the loss of the head."""

    backend: Literal['redis', 'rocksdb'] | None = None
    """Kind of storage; absent is redis. Can't be changed once set."""
    redis_address: Annotated[str | None, Field(alias='redisAddress')] = None
    """host:port of Redis, or a redis:// or rediss:// URL."""
    redis_username: Annotated[Credential | None, Field(alias='redisUsername')] = None
    """A text, or where to take it from."""
    redis_password: Annotated[Credential | None, Field(alias='redisPassword')] = None
    """A text, or where to take it from."""
    external_storage_namespace: Annotated[
        str | None, Field(alias='externalStorageNamespace')
    ] = None
    """Prefix of the keys in Redis; absent is the cluster's UID."""
    storage: Storage | None = None
    """The volume of the rocksdb backend."""


class CollectorOptions(Model):
    """The collector that runs in every pod."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    image: str | None = None
    """Image of the collector."""
    image_pull_policy: Annotated[str | None, Field(alias='imagePullPolicy')] = None
    """Pull policy of that image; absent is IfNotPresent."""
    resources: OpaqueObject | None = None
    """Replaces the collector's requests and limits as a whole."""
    env: list[OpaqueObject] | None = None
    """Environment of the collector, such as STORAGE_BACKEND."""


class HistoryServerOptions(Model):
    """Collection of what a history server shows later."""

    collector_options: Annotated[
        CollectorOptions | None, Field(alias='collectorOptions')
    ] = None
    """The collector that runs in every pod."""


class NetworkRules(Model):
    """Exceptions from the isolation."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    ingress_rules: Annotated[list[OpaqueObject] | None, Field(alias='ingressRules')] = (
        None
    )
    """What may connect to the pods."""
    egress_rules: Annotated[list[OpaqueObject] | None, Field(alias='egressRules')] = (
        None
    )
    """What the pods may connect to."""


class WorkerGroup(Model):
    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    group_name: Annotated[str, Field(alias='groupName')]
    """Name of a worker group."""
    ingress_rules: Annotated[list[OpaqueObject] | None, Field(alias='ingressRules')] = (
        None
    )
    """What may connect to the group's pods."""
    egress_rules: Annotated[list[OpaqueObject] | None, Field(alias='egressRules')] = (
        None
    )
    """What the group's pods may connect to."""


class NetworkPolicy(Model):
    """Isolation of the pods; pods of one cluster always reach each other."""

    mode: Literal['DenyAll', 'DenyAllIngress', 'DenyAllEgress'] | None = 'DenyAll'
    """Directions that are closed but for the rules below."""
    head: NetworkRules | None = None
    """Exceptions from the isolation."""
    worker: NetworkRules | None = None
    """Exceptions from the isolation."""
    worker_groups: Annotated[list[WorkerGroup] | None, Field(alias='workerGroups')] = (
        None
    )
    """Rules of single groups, instead of those of worker."""


class TlsOptions(Model):
    """Encryption between the pods, with certificates of cert-manager."""

    enabled: bool | None = None
    """True encrypts."""


class Idle(Model):
    """What happens to a cluster that nobody uses; for plain RayClusters."""

    suspend_after_seconds: Annotated[int | None, Field(alias='suspendAfterSeconds')] = (
        None
    )
    """Seconds without activity after which the cluster is suspended."""
    delete_after_seconds: Annotated[int | None, Field(alias='deleteAfterSeconds')] = (
        None
    )
    """Seconds without activity after which the cluster is deleted."""


class RayClusterSpec(Model):
    """The desired state of a Ray cluster."""

    ray_version: Annotated[str | None, Field(alias='rayVersion')] = None
    """Version of Ray in the images, such as 2.53.0. Chooses the style of probes and unlocks features that need a minimum version; it need not match the image."""
    suspend: bool | None = None
    """True deletes all pods and keeps everything else; false or absent brings them back."""
    managed_by: Annotated[str | None, Field(alias='managedBy')] = None
    """The controller to act on the object; absent is this operator."""
    enable_in_tree_autoscaling: Annotated[
        bool | None, Field(alias='enableInTreeAutoscaling')
    ] = None
    """True runs Ray's autoscaler beside the head; it then writes replicas and scaleStrategy."""
    autoscaler_options: Annotated[
        AutoscalerOptions | None, Field(alias='autoscalerOptions')
    ] = None
    """How Ray's autoscaler runs and scales."""
    head_service_annotations: Annotated[
        dict[str, str] | None, Field(alias='headServiceAnnotations')
    ] = None
    """Annotations of the Service in front of the head."""
    head_group_spec: Annotated[HeadGroupSpec, Field(alias='headGroupSpec')]
    """The head of the cluster, one pod."""
    worker_group_specs: Annotated[
        list[WorkerGroupSpec] | None, Field(alias='workerGroupSpecs')
    ] = None
    """Groups of equal workers."""
    upgrade_strategy: Annotated[
        UpgradeStrategy | None, Field(alias='upgradeStrategy')
    ] = None
    """What a change of the spec does to running pods."""
    auth_options: Annotated[AuthOptions | None, Field(alias='authOptions')] = None
    """Authentication of the cluster's own interfaces."""
    gcs_fault_tolerance_options: Annotated[
        GcsFaultToleranceOptions | None, Field(alias='gcsFaultToleranceOptions')
    ] = None
    """Where the head keeps its state, so that the cluster survives the loss of the head."""
    history_server_options: Annotated[
        HistoryServerOptions | None, Field(alias='historyServerOptions')
    ] = None
    """Collection of what a history server shows later."""
    network_policy: Annotated[NetworkPolicy | None, Field(alias='networkPolicy')] = None
    """Isolation of the pods; pods of one cluster always reach each other."""
    tls_options: Annotated[TlsOptions | None, Field(alias='tlsOptions')] = None
    """Encryption between the pods, with certificates of cert-manager."""
    idle: Idle | None = None
    """What happens to a cluster that nobody uses; for plain RayClusters."""


class HeadInfo(Model):
    """Where the head is."""

    pod_ip: Annotated[str | None, Field(alias='podIP')] = None
    """Address of the head pod."""
    pod_name: Annotated[str | None, Field(alias='podName')] = None
    """Name of the head pod."""
    service_ip: Annotated[str | None, Field(alias='serviceIP')] = None
    """Address of the head's Service."""
    service_name: Annotated[str | None, Field(alias='serviceName')] = None
    """Name of the head's Service."""


class Condition(Model):
    type: str
    """The statement."""
    status: Literal['True', 'False', 'Unknown']
    """Whether it holds."""
    reason: str
    """Why, in one word."""
    message: str
    """Why, for people."""
    last_transition_time: Annotated[AwareDatetime, Field(alias='lastTransitionTime')]
    """When the status changed."""
    observed_generation: Annotated[int | None, Field(alias='observedGeneration')] = None
    """The generation that it is about."""


class RayClusterStatus(Model):
    """What was observed of a Ray cluster."""

    state: str | None = None
    """ready, suspended or empty."""
    reason: str | None = None
    """The most important problem."""
    state_transition_times: Annotated[
        dict[str, AwareDatetime] | None, Field(alias='stateTransitionTimes')
    ] = None
    """When each state was last entered."""
    observed_generation: Annotated[int | None, Field(alias='observedGeneration')] = None
    """The generation that this status is about."""
    last_update_time: Annotated[AwareDatetime | None, Field(alias='lastUpdateTime')] = (
        None
    )
    """When this status was written."""
    desired_worker_replicas: Annotated[
        int | None, Field(alias='desiredWorkerReplicas')
    ] = None
    """Worker pods wanted."""
    min_worker_replicas: Annotated[int | None, Field(alias='minWorkerReplicas')] = None
    """Fewest worker pods."""
    max_worker_replicas: Annotated[int | None, Field(alias='maxWorkerReplicas')] = None
    """Most worker pods."""
    available_worker_replicas: Annotated[
        int | None, Field(alias='availableWorkerReplicas')
    ] = None
    """Worker pods that run."""
    ready_worker_replicas: Annotated[int | None, Field(alias='readyWorkerReplicas')] = (
        None
    )
    """Worker pods that are ready."""
    desired_cpu: Annotated[int | str | None, Field(alias='desiredCPU')] = None
    """CPUs of all pods wanted."""
    desired_memory: Annotated[int | str | None, Field(alias='desiredMemory')] = None
    """Memory of all pods wanted."""
    desired_gpu: Annotated[int | str | None, Field(alias='desiredGPU')] = None
    """GPUs of all pods wanted."""
    desired_tpu: Annotated[int | str | None, Field(alias='desiredTPU')] = None
    """TPUs of all pods wanted."""
    endpoints: dict[str, str] | None = None
    """Port of each named endpoint of the head's Service."""
    head: HeadInfo | None = None
    """Where the head is."""
    idle_since: Annotated[AwareDatetime | None, Field(alias='idleSince')] = None
    """Since when nobody used the cluster."""
    conditions: list[Condition] | None = None
    """What is true of the object, one entry a statement."""


class RayCluster(Model):
    """A Ray cluster, a head and groups of workers."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    api_version: Annotated[str | None, Field(alias='apiVersion')] = None
    kind: str | None = None
    metadata: OpaqueObject | None = None
    spec: RayClusterSpec
    """The desired state of a Ray cluster."""
    status: RayClusterStatus | None = None
    """What was observed of a Ray cluster."""
