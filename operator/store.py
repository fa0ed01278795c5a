"""The cache of one kind: views by key, with indexes.

Only the informer writes.  Everything that is handed out is frozen or a fresh tuple, so that a
reader in another thread (the metrics endpoint) never sees a container change under its feet.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from ray_operator.operator.keys import Key


class View(Protocol):
    """What the machinery must know of a cached object; the rest belongs to the controllers."""

    @property
    def key(self) -> Key:
        """Namespace and name, as the object's metadata has them."""
        ...

    @property
    def uid(self) -> str:
        """`metadata.uid`: another life of the same name has another one."""
        ...

    @property
    def resource_version(self) -> str:
        """`metadata.resourceVersion`, opaque."""
        ...


V = TypeVar("V", bound=View)
Indexer = Callable[[V], Iterable[str]]
"""Names the values under which a view is found; must depend on nothing but the view."""


class Store(Generic[V]):
    """Views by key and by index. Lookups cost a dict access."""

    def __init__(self, indexes: Mapping[str, Indexer[V]] | None = None) -> None:
        self._indexers = dict(indexes or {})
        self._views: dict[Key, V] = {}
        # Each bucket is a dict used as an ordered set: readers get a stable order.
        self._indexes: dict[str, dict[str, dict[Key, V]]] = {name: {} for name in self._indexers}

    def __len__(self) -> int:
        return len(self._views)

    def get(self, key: Key) -> V | None:
        """Return the view of `key`."""
        return self._views.get(key)

    def values(self) -> tuple[V, ...]:
        """Return all views, oldest entry first."""
        return tuple(self._views.values())

    def by_index(self, index: str, value: str) -> tuple[V, ...]:
        """Return the views for which the indexer `index` named `value`.

        Raises:
            KeyError: there is no such index.
        """
        return tuple(self._indexes[index].get(value, {}).values())

    def put(self, view: V) -> V | None:
        """Insert or replace; return what was there. For the informer only.

        Raises:
            Exception: an indexer failed; then nothing has changed.
        """
        found = [tuple(indexer(view)) for indexer in self._indexers.values()]
        old = self._views.get(view.key)
        if old is not None:
            self._unindex(old)
        self._views[view.key] = view
        for buckets, values in zip(self._indexes.values(), found, strict=True):
            for value in values:
                buckets.setdefault(value, {})[view.key] = view
        return old

    def remove(self, key: Key) -> V | None:
        """Remove; return what was there. For the informer only."""
        old = self._views.pop(key, None)
        if old is not None:
            self._unindex(old)
        return old

    def _unindex(self, view: V) -> None:
        for name, indexer in self._indexers.items():
            buckets = self._indexes[name]
            for value in indexer(view):
                bucket = buckets.get(value, {})
                bucket.pop(view.key, None)
                if not bucket:
                    buckets.pop(value, None)
