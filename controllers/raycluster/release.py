"""Lets a RayCluster go that is being deleted.

Garbage collection by owner references does the work.  Only the finalizer with which the peer holds
a cluster until its keys in Redis are gone must be taken off; this release does not clean Redis up
yet, and says so.
"""

from ray_operator.api import finalizers
from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.controllers.manifests.cluster import Cluster
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator.notes import Note
from ray_operator.operator.steps import Step
from ray_operator.operator.writes import MergePatch


def is_held(view: ResourceView) -> bool:
    """Tell whether deletion waits for us."""
    return view.is_terminating and finalizers.REDIS_CLEANUP in view.finalizers


def release(view: ResourceView, cluster: Cluster) -> Step:
    """Return the step that takes our finalizer off."""
    kept = [name for name in view.finalizers if name != finalizers.REDIS_CLEANUP]
    text = f"keys of {cluster.storage_namespace!r} stay in Redis; remove them by hand"
    return Step(
        text=f"release RayCluster {view.name}",
        write=MergePatch(
            RAYCLUSTERS,
            view.key,
            {"metadata": {"finalizers": kept}},
            resource_version=view.resource_version,
        ),
        lane="finalizer",
        done=Note("Warning", "ForceDeletedStuckCluster", "Cleanup", text),
    )
