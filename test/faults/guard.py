"""What must hold on the way, not only at the end: no pod is doubled, not for a moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ray_operator.operator.documents import get_object, get_objects, get_text, get_texts
from support.kubelet import Kubelet, RawView

HEAD = "headgroup"


@dataclass
class Guard:
    """Sees each change of each pod, as the tests' kubelet sees it, and notes what must not be.

    `most` says how many living pods a group may have (terminating ones don't count); a group that
    it lacks may have any number.  A new head may not even meet an old one that is terminating: two
    heads must never answer behind one Service (raycluster.md 6.2).
    """

    most: dict[tuple[str, str], int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    _pods: dict[str, RawView] = field(default_factory=dict)

    def allow(self, cluster: str, groups: Mapping[str, int]) -> None:
        """Set how many living pods each group of a cluster may have from now on."""
        self.most.update({(cluster, group): most for group, most in groups.items()})

    def follow(self, kubelet: Kubelet) -> None:
        """Begin."""
        kubelet.pods.on_change(self.see)

    def see(self, old: RawView | None, new: RawView | None) -> None:
        """Take a change of a pod."""
        if new is None:
            if old is not None:
                self._pods.pop(old.uid, None)
            return
        is_news = new.uid not in self._pods
        self._pods[new.uid] = new
        if is_news and not new.is_terminating:
            self._judge(new)

    def _judge(self, newcomer: RawView) -> None:
        place = _place(newcomer)
        mates = [pod for pod in self._pods.values() if _place(pod) == place]
        living = [pod for pod in mates if not pod.is_terminating and not _is_over(pod)]
        limit = self.most.get(place[1:])
        if limit is not None and len(living) > limit:
            self._note(f"{len(living)} living pods in {place[2]}, {limit} are wanted", living)
        if place[2] == HEAD and len(mates) > 1:
            self._note("a second head beside one that is still there", mates)

    def _note(self, what: str, pods: list[RawView]) -> None:
        self.violations.append(f"{what}: {', '.join(sorted(pod.key.name for pod in pods))}")


def _place(pod: RawView) -> tuple[str, str, str]:
    """Return owner's UID, cluster and group."""
    labels = get_texts(pod.metadata, "labels")
    owners = get_objects(pod.metadata, "ownerReferences")
    owner = get_text(owners[0], "uid") if owners else ""
    return owner, labels.get("ray.io/cluster", ""), labels.get("ray.io/group", "")


def _is_over(pod: RawView) -> bool:
    phase = get_text(get_object(pod.document, "status"), "phase")
    return phase in {"Failed", "Succeeded"}
