# Made by hack/generate_models.py from hack/crds; change those and run `make generate`.

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, Field
from ray_operator.api.model import Model, OpaqueObject, OpaqueValue

from . import raycluster


class ClusterUpgradeOptions(Model):
    """The pace of NewClusterWithIncrementalUpgrade."""

    max_surge_percent: Annotated[int | None, Field(alias='maxSurgePercent')] = 100
    """Capacity that is moved to the new cluster at a time."""
    step_size_percent: Annotated[int, Field(alias='stepSizePercent')]
    """Traffic that is moved to the new cluster at a time."""
    interval_seconds: Annotated[int, Field(alias='intervalSeconds')]
    """Seconds between two moves of traffic."""
    gateway_class_name: Annotated[str | None, Field(alias='gatewayClassName')] = None
    """Class of the Gateway that splits the traffic; absent does without."""


class UpgradeStrategy(Model):
    """What a change of rayClusterConfig does."""

    type: str | None = None
    """NewCluster (the default), NewClusterWithIncrementalUpgrade, Recreate (old cluster first, with downtime) or None."""
    cluster_upgrade_options: Annotated[
        ClusterUpgradeOptions | None, Field(alias='clusterUpgradeOptions')
    ] = None
    """The pace of NewClusterWithIncrementalUpgrade."""


class RayServiceSpec(Model):
    """The applications, their cluster, and how to upgrade both."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    ray_cluster_config: Annotated[
        raycluster.RayClusterSpec, Field(alias='rayClusterConfig')
    ]
    """The cluster to run the applications on; a change makes a new one."""
    serve_config_v2: Annotated[OpaqueValue | None, Field(alias='serveConfigV2')] = None
    """The applications, Ray Serve's config file as YAML text or as an object."""
    serve_config: Annotated[OpaqueObject | None, Field(alias='serveConfig')] = None
    """Old form, a single application. Only one of the three forms may be given."""
    serve_deployment_graph_config: Annotated[
        OpaqueObject | None, Field(alias='serveDeploymentGraphConfig')
    ] = None
    """Older name of serveConfig."""
    serve_service: Annotated[OpaqueObject | None, Field(alias='serveService')] = None
    """A Service to merge into the one in front of the applications."""
    upgrade_strategy: Annotated[
        UpgradeStrategy | None, Field(alias='upgradeStrategy')
    ] = None
    """What a change of rayClusterConfig does."""
    ray_cluster_deletion_delay_seconds: Annotated[
        int | None, Field(alias='rayClusterDeletionDelaySeconds')
    ] = None
    """Seconds to keep an old cluster after the switch; absent is 60."""
    ray_cluster_drain_timeout_seconds: Annotated[
        int | None, Field(alias='rayClusterDrainTimeoutSeconds')
    ] = None
    """Seconds to wait for the old cluster's requests to end; absent is 600."""
    exclude_head_pod_from_serve_svc: Annotated[
        bool | None, Field(alias='excludeHeadPodFromServeSvc')
    ] = None
    """True sends no requests to the head."""
    suspend: bool | None = None
    """True deletes the clusters and Services; false starts anew."""
    managed_by: Annotated[str | None, Field(alias='managedBy')] = None
    """The controller to act on the object; absent is this operator."""
    service_unhealthy_second_threshold: Annotated[
        int | None, Field(alias='serviceUnhealthySecondThreshold')
    ] = None
    """Seconds that an application may be unhealthy before the cluster is replaced; absent is 900, 0 is for ever."""
    deployment_unhealthy_second_threshold: Annotated[
        int | None, Field(alias='deploymentUnhealthySecondThreshold')
    ] = None
    """Seconds that a ready head's dashboard may be silent before the cluster is replaced; absent is 300, 0 is for ever."""


class ServeDeploymentStatus(Model):
    status: str | None = None
    """The state as Ray names it."""
    message: str | None = None
    """Ray's words about it."""
    last_update_time: Annotated[AwareDatetime | None, Field(alias='lastUpdateTime')] = (
        None
    )
    """When this changed."""
    health_last_update_time: Annotated[
        AwareDatetime | None, Field(alias='healthLastUpdateTime')
    ] = None
    """When it was last seen healthy."""


class ApplicationStatus(Model):
    status: str | None = None
    """The state as Ray names it."""
    message: str | None = None
    """Ray's words about it."""
    last_update_time: Annotated[AwareDatetime | None, Field(alias='lastUpdateTime')] = (
        None
    )
    """When this changed."""
    health_last_update_time: Annotated[
        AwareDatetime | None, Field(alias='healthLastUpdateTime')
    ] = None
    """When it was last seen healthy."""
    serve_deployment_statuses: Annotated[
        dict[str, ServeDeploymentStatus] | None, Field(alias='serveDeploymentStatuses')
    ] = None
    """The application's deployments by name."""


class NamedServeDeploymentStatus(Model):
    name: str | None = None
    """Name of the deployment."""
    status: str | None = None
    """The state as Ray names it."""
    message: str | None = None
    """Ray's words about it."""
    last_update_time: Annotated[AwareDatetime | None, Field(alias='lastUpdateTime')] = (
        None
    )
    """When this changed."""
    health_last_update_time: Annotated[
        AwareDatetime | None, Field(alias='healthLastUpdateTime')
    ] = None
    """When it was last seen healthy."""


class AppStatus(Model):
    """The application, if there is only one."""

    status: str | None = None
    """The state as Ray names it."""
    message: str | None = None
    """Ray's words about it."""
    last_update_time: Annotated[AwareDatetime | None, Field(alias='lastUpdateTime')] = (
        None
    )
    """When this changed."""
    health_last_update_time: Annotated[
        AwareDatetime | None, Field(alias='healthLastUpdateTime')
    ] = None
    """When it was last seen healthy."""


class DashboardStatus(Model):
    """Ray's dashboard."""

    is_healthy: Annotated[bool | None, Field(alias='isHealthy')] = None
    """Whether it answers."""
    last_update_time: Annotated[AwareDatetime | None, Field(alias='lastUpdateTime')] = (
        None
    )
    """When that changed."""
    health_last_update_time: Annotated[
        AwareDatetime | None, Field(alias='healthLastUpdateTime')
    ] = None
    """When it last answered."""


class ServiceClusterStatus(Model):
    ray_cluster_name: Annotated[str | None, Field(alias='rayClusterName')] = None
    """Name of the RayCluster."""
    ray_cluster_status: Annotated[
        raycluster.RayClusterStatus | None, Field(alias='rayClusterStatus')
    ] = None
    """What was observed of a Ray cluster."""
    application_statuses: Annotated[
        dict[str, ApplicationStatus] | None, Field(alias='applicationStatuses')
    ] = None
    """The applications by name."""
    serve_deployment_statuses: Annotated[
        list[NamedServeDeploymentStatus] | None, Field(alias='serveDeploymentStatuses')
    ] = None
    """All applications' deployments in one list."""
    app_status: Annotated[AppStatus | None, Field(alias='appStatus')] = None
    """The application, if there is only one."""
    dashboard_status: Annotated[
        DashboardStatus | None, Field(alias='dashboardStatus')
    ] = None
    """Ray's dashboard."""
    target_capacity: Annotated[int | None, Field(alias='targetCapacity')] = None
    """Percentage of the replicas that the cluster is to run."""
    traffic_routed_percent: Annotated[
        int | None, Field(alias='trafficRoutedPercent')
    ] = None
    """Percentage of the requests that go to the cluster."""
    last_traffic_migrated_time: Annotated[
        AwareDatetime | None, Field(alias='lastTrafficMigratedTime')
    ] = None
    """When that percentage last changed."""


class RayServiceStatus(Model):
    """What was observed of the service."""

    service_status: Annotated[str | None, Field(alias='serviceStatus')] = None
    """Running or empty."""
    num_serve_endpoints: Annotated[int | None, Field(alias='numServeEndpoints')] = None
    """Pods that serve."""
    observed_generation: Annotated[int | None, Field(alias='observedGeneration')] = None
    """The generation that this status is about."""
    last_update_time: Annotated[AwareDatetime | None, Field(alias='lastUpdateTime')] = (
        None
    )
    """When this status was written."""
    active_service_status: Annotated[
        ServiceClusterStatus | None, Field(alias='activeServiceStatus')
    ] = None
    """The cluster that serves."""
    pending_service_status: Annotated[
        ServiceClusterStatus | None, Field(alias='pendingServiceStatus')
    ] = None
    """The cluster that is to take over."""
    conditions: list[raycluster.Condition] | None = None
    """What is true of the object, one entry a statement."""


class RayService(Model):
    """Ray Serve applications on a Ray cluster that is replaced without downtime."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    api_version: Annotated[str | None, Field(alias='apiVersion')] = None
    kind: str | None = None
    metadata: OpaqueObject | None = None
    spec: RayServiceSpec
    """The applications, their cluster, and how to upgrade both."""
    status: RayServiceStatus | None = None
    """What was observed of the service."""
