"""Hands the settings that matter to manifests on to their builders."""

from ray_operator.api import gates
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.operator.flags import own_version
from ray_operator.operator.settings import Settings


def build_options(settings: Settings) -> BuildOptions:
    """Return what this installation decides about the objects of every cluster."""
    return BuildOptions(
        version=own_version(),
        cluster_domain=settings.cluster_domain,
        inject_probes=settings.probes_injection,
        inject_init_container=settings.init_container_injection,
        head_service_has_address=settings.head_cluster_ip_service,
        dashboard_agent_service=settings.dashboard_agent_service,
        graceful_termination=settings.graceful_termination,
        login_shell=settings.login_shell,
        deterministic_head_name=settings.deterministic_head_pod_name,
        multi_host_indexing=settings.is_on(gates.RAY_MULTI_HOST_INDEXING),
        default_token_auth=settings.default_token_auth,
        head_sidecars=settings.head_sidecar_containers,
        worker_sidecars=settings.worker_sidecar_containers,
        default_env=settings.default_container_envs,
        default_pod_labels=settings.default_pod_labels,
        default_pod_annotations=settings.default_pod_annotations,
        init_container_resources=settings.init_container_resources,
    )
