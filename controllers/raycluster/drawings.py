"""Parsed RayClusters, kept while they are in use: a spec is read once a generation.

A parsed spec costs ten times its JSON, so only the last ones are kept.  Nothing is lost with them.
"""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from ray_operator.api.depth_rules import find_depth_problem
from ray_operator.api.problems import Notice, Problem
from ray_operator.api.raycluster_validation import find_notices, find_problem, read_facts
from ray_operator.controllers.assigned_config import assigned_serve_port
from ray_operator.controllers.identity import identity_of
from ray_operator.controllers.manifests.cluster import Cluster, read_cluster, stamped
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.ray_params import unreadable_resources
from ray_operator.controllers.raycluster.blueprint import Blueprint, draw
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator.documents import JsonObject

UNREADABLE = "PodTemplateWarning"
"""Event for what a group says and nobody can read."""
MOST_KEPT_BYTES = 1_000_000
"""Of specs as JSON, which take eight times that when they are read: some hundred clusters of a
usual size, more than are in work at the same time, or a few enormous ones."""
_LEAST_BYTES = 1_000
"""What the smallest counts for: its Services and hashes take memory, too."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A RayCluster read and worked out.

    `problem` is what the user has to mend first; `notices` what the user may not have meant.
    """

    cluster: Cluster
    blueprint: Blueprint
    problem: Problem | None
    notices: tuple[Notice, ...]

    def is_of(self, view: ResourceView) -> bool:
        """Tell whether nothing that was read has changed since."""
        return (
            self.cluster.generation == view.generation
            and self.cluster.labels == view.labels
            and self.cluster.annotations == view.annotations
        )


class Drawings:
    """The last RayClusters that were read, by UID."""

    def __init__(self, options: BuildOptions, gates: Collection[str]) -> None:
        self._options = options
        self._gates = frozenset(gates)
        self._kept: OrderedDict[str, tuple[Drawing, int]] = OrderedDict()
        self._bytes = 0

    def of(self, view: ResourceView) -> Drawing:
        """Return the RayCluster as it is now."""
        known = self._kept.get(view.uid)
        if known is not None and known[0].is_of(view):
            self._kept.move_to_end(view.uid)
            return known[0]
        drawing = self._read(view)
        self._keep(view, drawing)
        return drawing

    def _keep(self, view: ResourceView, drawing: Drawing) -> None:
        """Keep the last one, and of those before as many as there is room for."""
        _, freed = self._kept.pop(view.uid, (None, 0))
        size = _LEAST_BYTES + len(view.spec_bytes)
        self._kept[view.uid] = drawing, size
        self._bytes += size - freed
        while self._bytes > MOST_KEPT_BYTES and len(self._kept) > 1:
            _, (_, freed) = self._kept.popitem(last=False)
            self._bytes -= freed

    def _read(self, view: ResourceView) -> Drawing:
        spec = view.spec()
        port = assigned_serve_port(view.annotations)
        cluster = stamped(read_cluster(identity_of(view), spec, serve_port=port))
        document: JsonObject = {
            "metadata": {
                "name": view.name,
                "labels": view.labels,
                "annotations": view.annotations,
            },
            "spec": spec,
        }
        return Drawing(
            cluster=cluster,
            blueprint=draw(cluster, self._options),
            problem=find_depth_problem(spec, view.spec_bytes)
            or find_problem(document, self._gates),
            notices=(*find_notices(read_facts(document, self._gates)), *_unreadable(cluster)),
        )


def _unreadable(cluster: Cluster) -> list[Notice]:
    return [
        Notice(UNREADABLE, f"{group.name}: {text}")
        for group in (cluster.head, *cluster.workers)
        for text in unreadable_resources(group.resources, group.start_params)
    ]
