# Made by hack/generate_models.py from hack/crds; change those and run `make generate`.

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field
from ray_operator.api.model import Model, OpaqueObject, OpaqueValue

from . import raycluster


class SubmitterConfig(Model):
    """The Kubernetes Job of K8sJobMode."""

    backoff_limit: Annotated[int | None, Field(alias='backoffLimit')] = None
    """Retries of the submission; absent is 2."""


class DeletionPolicy(Model):
    """What is deleted ttlSecondsAfterFinished after such an end."""

    policy: Literal['DeleteCluster', 'DeleteWorkers', 'DeleteSelf', 'DeleteNone']
    """What is deleted."""


class DeletionCondition(Model):
    """The end that the rule is for."""

    job_status: Annotated[
        Literal['SUCCEEDED', 'FAILED', 'STOPPED'] | None, Field(alias='jobStatus')
    ] = None
    """The job's end as Ray tells it."""
    job_deployment_status: Annotated[
        Literal['Failed'] | None, Field(alias='jobDeploymentStatus')
    ] = None
    """The job's end as the operator tells it."""
    ttl_seconds: Annotated[int | None, Field(alias='ttlSeconds')] = 0
    """Seconds from the end to the deletion."""


class DeletionRule(Model):
    policy: Literal['DeleteCluster', 'DeleteWorkers', 'DeleteSelf', 'DeleteNone']
    """What is deleted."""
    condition: DeletionCondition
    """The end that the rule is for."""


class DeletionStrategy(Model):
    """What is deleted after the end, and when."""

    on_success: Annotated[DeletionPolicy | None, Field(alias='onSuccess')] = None
    """What is deleted ttlSecondsAfterFinished after such an end."""
    on_failure: Annotated[DeletionPolicy | None, Field(alias='onFailure')] = None
    """What is deleted ttlSecondsAfterFinished after such an end."""
    deletion_rules: Annotated[
        list[DeletionRule] | None, Field(alias='deletionRules')
    ] = None
    """Deletions, each some time after an end of a certain kind."""


class RayJobSpec(Model):
    """A program to run on a Ray cluster, and what becomes of both."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    ray_cluster_spec: Annotated[
        raycluster.RayClusterSpec | None, Field(alias='rayClusterSpec')
    ] = None
    """The cluster to make for the job. Needed unless clusterSelector names one."""
    cluster_selector: Annotated[
        dict[str, str] | None, Field(alias='clusterSelector')
    ] = None
    """An existing cluster in the same namespace, named under the key ray.io/cluster."""
    entrypoint: str | None = None
    """The command to run."""
    runtime_env_yaml: Annotated[str | None, Field(alias='runtimeEnvYAML')] = None
    """Ray's runtime environment as YAML text."""
    runtime_env: Annotated[OpaqueValue | None, Field(alias='runtimeEnv')] = None
    """Ray's runtime environment as an object or text; not together with runtimeEnvYAML."""
    job_id: Annotated[str | None, Field(alias='jobId')] = None
    """Id to submit under; absent makes one. In InteractiveMode the id to watch."""
    metadata: dict[str, str] | None = None
    """Metadata of the job in Ray."""
    entrypoint_num_cpus: Annotated[float | None, Field(alias='entrypointNumCpus')] = (
        None
    )
    """CPUs reserved for the entrypoint."""
    entrypoint_num_gpus: Annotated[float | None, Field(alias='entrypointNumGpus')] = (
        None
    )
    """GPUs reserved for the entrypoint."""
    entrypoint_resources: Annotated[str | None, Field(alias='entrypointResources')] = (
        None
    )
    """Resources reserved for the entrypoint, as a JSON object of numbers."""
    submission_mode: Annotated[str | None, Field(alias='submissionMode')] = 'K8sJobMode'
    """Who submits: a Kubernetes Job (K8sJobMode), the operator (HTTPMode), a container beside the head (SidecarMode) or a person (InteractiveMode)."""
    submitter_pod_template: Annotated[
        OpaqueObject | None, Field(alias='submitterPodTemplate')
    ] = None
    """Template of the pod that submits in K8sJobMode; its first container submits."""
    submitter_config: Annotated[
        SubmitterConfig | None, Field(alias='submitterConfig')
    ] = None
    """The Kubernetes Job of K8sJobMode."""
    backoff_limit: Annotated[int | None, Field(alias='backoffLimit')] = 0
    """Retries of the whole job."""
    retry_policy: Annotated[
        Literal['Recreate', 'Reuse'] | None, Field(alias='retryPolicy')
    ] = None
    """Whether a retry gets a cluster of its own (Recreate, the default) or the same one."""
    active_deadline_seconds: Annotated[
        int | None, Field(alias='activeDeadlineSeconds')
    ] = None
    """Seconds that an attempt may take."""
    pre_running_deadline_seconds: Annotated[
        int | None, Field(alias='preRunningDeadlineSeconds')
    ] = None
    """Seconds that an attempt may take until it runs."""
    shutdown_after_job_finishes: Annotated[
        bool | None, Field(alias='shutdownAfterJobFinishes')
    ] = None
    """True deletes the cluster ttlSecondsAfterFinished after the end."""
    ttl_seconds_after_finished: Annotated[
        int | None, Field(alias='ttlSecondsAfterFinished')
    ] = 0
    """Seconds from the end to the clean-up."""
    suspend: bool | None = None
    """True stops the job and deletes its cluster; false starts it anew."""
    deletion_strategy: Annotated[
        DeletionStrategy | None, Field(alias='deletionStrategy')
    ] = None
    """What is deleted after the end, and when."""
    deletion_policy: Annotated[
        Literal['DeleteCluster', 'DeleteWorkers', 'DeleteSelf', 'DeleteNone'] | None,
        Field(alias='deletionPolicy'),
    ] = None
    """Old form of deletionStrategy, the same policy whatever the end."""
    managed_by: Annotated[str | None, Field(alias='managedBy')] = None
    """The controller to act on the object; absent is this operator."""
    output: OpaqueValue | None = None
    """Where to copy the results, a URI or an object with uri, source and onFailure."""


class RayJobInfo(Model):
    """Ray's own times."""

    start_time: Annotated[AwareDatetime | None, Field(alias='startTime')] = None
    """When Ray started the job."""
    end_time: Annotated[AwareDatetime | None, Field(alias='endTime')] = None
    """When Ray saw it end."""


class Submission(Model):
    """The head that first showed the job."""

    head_pod_uid: Annotated[str | None, Field(alias='headPodUID')] = None
    """UID of its pod."""
    head_restarts: Annotated[int | None, Field(alias='headRestarts')] = None
    """Restarts of its container."""
    time: AwareDatetime | None = None
    """When that was."""


class Attempt(Model):
    attempt: int | None = None
    """Number of the attempt."""
    ray_cluster_name: Annotated[str | None, Field(alias='rayClusterName')] = None
    """Its cluster."""
    job_id: Annotated[str | None, Field(alias='jobId')] = None
    """Its id in Ray."""
    job_status: Annotated[str | None, Field(alias='jobStatus')] = None
    """Its last state in Ray."""
    reason: str | None = None
    """Why it failed, in one word."""
    message: str | None = None
    """What failed."""
    start_time: Annotated[AwareDatetime | None, Field(alias='startTime')] = None
    """Its start."""
    end_time: Annotated[AwareDatetime | None, Field(alias='endTime')] = None
    """Its end."""


class RayJobStatus(Model):
    """What was observed of the job."""

    job_deployment_status: Annotated[str | None, Field(alias='jobDeploymentStatus')] = (
        None
    )
    """How far the operator is with the job."""
    job_status: Annotated[str | None, Field(alias='jobStatus')] = None
    """The state of the job as Ray names it."""
    reason: str | None = None
    """Why the job failed, in one word."""
    message: str | None = None
    """What failed, or Ray's words about the job."""
    job_id: Annotated[str | None, Field(alias='jobId')] = None
    """Id of the job in Ray."""
    ray_cluster_name: Annotated[str | None, Field(alias='rayClusterName')] = None
    """The cluster that the job runs on."""
    dashboard_url: Annotated[str | None, Field(alias='dashboardURL')] = None
    """host:port of that cluster's dashboard."""
    start_time: Annotated[AwareDatetime | None, Field(alias='startTime')] = None
    """Start of the current attempt."""
    first_start_time: Annotated[AwareDatetime | None, Field(alias='firstStartTime')] = (
        None
    )
    """Start of the first attempt."""
    end_time: Annotated[AwareDatetime | None, Field(alias='endTime')] = None
    """When the job was complete or failed."""
    ray_job_info: Annotated[RayJobInfo | None, Field(alias='rayJobInfo')] = None
    """Ray's own times."""
    succeeded: int | None = 0
    """Attempts that succeeded."""
    failed: int | None = 0
    """Attempts that failed."""
    ray_cluster_status: Annotated[
        raycluster.RayClusterStatus | None, Field(alias='rayClusterStatus')
    ] = None
    """What was observed of a Ray cluster."""
    job_status_check_failure_start_time: Annotated[
        AwareDatetime | None, Field(alias='jobStatusCheckFailureStartTime')
    ] = None
    """Since when Ray doesn't answer."""
    observed_generation: Annotated[int | None, Field(alias='observedGeneration')] = None
    """The generation that this status is about."""
    attempt: int | None = None
    """Number of the current attempt."""
    submission: Submission | None = None
    """The head that first showed the job."""
    attempts: list[Attempt] | None = None
    """The last attempts."""
    conditions: list[raycluster.Condition] | None = None
    """What is true of the object, one entry a statement."""


class RayJob(Model):
    """A program that runs once on a Ray cluster."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    api_version: Annotated[str | None, Field(alias='apiVersion')] = None
    kind: str | None = None
    metadata: OpaqueObject | None = None
    spec: RayJobSpec
    """A program to run on a Ray cluster, and what becomes of both."""
    status: RayJobStatus | None = None
    """What was observed of the job."""
