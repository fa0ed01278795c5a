"""Whose manifests are built: a cached RayCluster, in the words of the builders."""

from ray_operator.controllers.manifests.cluster import Identity
from ray_operator.controllers.views.resource import ResourceView


def identity_of(view: ResourceView) -> Identity:
    """Return what a cluster's manifests take from its metadata."""
    return Identity(
        name=view.name,
        namespace=view.namespace,
        uid=view.uid,
        labels=view.labels,
        annotations=view.annotations,
        generation=view.generation,
    )
