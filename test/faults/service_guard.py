"""What must hold at every moment of a RayService's life, whatever fails: checked at each change.

1. Once the serve Service selects a cluster, that cluster's Ray has reported its applications as
   running: it was ready.
2. A cluster that the serve Service selects is not deleted, unless its service is suspended or
   deleted.
3. A cluster is never sent a config of another price than the one it was built for, while another
   one is to take its place.
4. No more than three clusters are alive, the third only while it drains.
"""

from faults.service_scenarios import NAME, SERVE
from ray_operator.api import annotations, labels
from ray_operator.operator.documents import get_flag, get_object, get_objects, get_texts
from ray_operator.operator.keys import Key
from support.kubelet import RawView
from support.service_scene import ServiceScene

MOST_CLUSTERS = 3
"""Active, pending, and one that drains."""


class Guard:
    """Watches one namespace; `broken` says what was seen that must not be."""

    def __init__(self, scene: ServiceScene) -> None:
        self.broken: list[str] = []
        self.is_upgrading = False
        self._scene = scene
        self._selected = ""
        scene.kubelet.services.on_change(self._on_service)
        scene.kubelet.clusters_of_ray.on_change(self._on_cluster)

    def check_configs(self) -> None:
        """Every cluster was sent one price only, if all that was asked for is an upgrade."""
        prices: dict[str, set[object]] = {}
        for (_, pod, _), head in self._scene.rays.heads.items():
            cluster = pod.rsplit("-head-", 1)[0]
            for config in head.received:
                fruit = get_objects(config, "applications")[0]
                price = get_object(get_objects(fruit, "deployments")[0], "user_config")["price"]
                prices.setdefault(cluster, set()).add(price)
        for cluster, sent in prices.items():
            if len(sent) > 1:
                self._say(f"{cluster} was sent the prices {sorted(map(str, sent))}")

    def _on_service(self, _old: RawView | None, new: RawView | None) -> None:
        if new is None or new.key.name != SERVE:
            return
        selected = get_texts(get_object(new.document, "spec"), "selector").get(labels.CLUSTER, "")
        if selected == self._selected:
            return
        self._selected = selected
        if not self._was_ready(selected):
            self._say(f"{SERVE} selects {selected or 'nothing'}, which was never ready")

    def _on_cluster(self, old: RawView | None, new: RawView | None) -> None:
        view = new or old
        if view is None:
            return
        is_going = new is None or new.is_terminating
        if is_going and view.key.name == self._selected and not self._may_go():
            self._say(f"{view.key.name} is deleted, and {SERVE} selects it")
        clusters = self._scene.kubelet.clusters_of_ray.store.values()
        alive = [c.key.name for c in clusters if not c.is_terminating]
        is_served = [c for c in clusters if annotations.DELETE_AFTER not in _texts(c)]
        if len(alive) > MOST_CLUSTERS or len(is_served) >= MOST_CLUSTERS:
            self._say(f"{len(alive)} clusters are alive: {alive}")

    def _was_ready(self, cluster: str) -> bool:
        heads = self._scene.rays.heads.items()
        return any(pod.startswith(f"{cluster}-head") and head.was_up for (_, pod, _), head in heads)

    def _may_go(self) -> bool:
        """Whether the service is suspended, ending or gone."""
        store = self._scene.kubelet.services_of_ray.store
        service = store.get(Key(self._scene.namespace, NAME))
        if service is None or service.is_terminating:
            return True
        return get_flag(get_object(service.document, "spec"), "suspend")

    def _say(self, text: str) -> None:
        self.broken.append(text)


def _texts(view: RawView) -> dict[str, str]:
    return dict(get_texts(view.metadata, "annotations"))
