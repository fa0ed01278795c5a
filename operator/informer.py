"""One kind, kept in a store by list and watch, with handlers that put keys on queues."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from ray_operator.operator.documents import JsonObject
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import Resource
from ray_operator.operator.store import Indexer, Store, View

V = TypeVar("V", bound=View)


class Informer(Generic[V]):
    """Keeps `store` equal to the cluster and tells of each difference."""

    def __init__(  # noqa: PLR0913 - what to watch is one thought; the options are keyword-only
        self,
        kube: Kube,
        resource: Resource,
        project: Callable[[JsonObject], V],
        *,
        selector: str = "",
        namespaces: tuple[str, ...] = (),
        indexes: Mapping[str, Indexer[V]] | None = None,
    ) -> None:
        self.store: Store[V] = Store(indexes)

    @property
    def has_synced(self) -> bool:
        """Whether the first list is complete in `store`."""
        raise NotImplementedError

    def on_change(self, handler: Callable[[V | None, V | None], None]) -> None:
        """Call `handler(old, new)` for each change: old None = added, new None = deleted.

        Handlers must return at once (put a key on a queue) and are called in the event loop.
        After a gap in the watch, a deletion is told with the last known view.
        """
        raise NotImplementedError

    async def run(self) -> None:
        """List and watch until cancelled."""
        raise NotImplementedError
