"""Things that wait in groups, taken from the groups in turn.

A group has its turn once a round; within a group, who came first goes first.  So of n groups that
wait each gets every n-th turn, however much the others hold.  All operations cost the same at any
length, but that `take` steps over the groups that may not be served.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

G = TypeVar("G", bound=Hashable)
T = TypeVar("T", bound=Hashable)


class Rotation(Generic[G, T]):
    """Groups in the order of their turns, each with those of it that wait; no group is empty.

    Ordered dicts, because a plain one slows down where entries leave at the front.
    """

    def __init__(self) -> None:
        self._groups: OrderedDict[G, OrderedDict[T, None]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._groups)

    def add(self, group: G, item: T) -> None:
        """Let `item` wait at the end of its group; nothing happens if it waits there already.

        A group that had nothing waiting has its turn after the others.
        """
        self._groups.setdefault(group, OrderedDict())[item] = None

    def remove(self, group: G, item: T) -> None:
        """Take `item` out of its group, if it waits there."""
        waiting = self._groups.get(group)
        if waiting is not None:
            waiting.pop(item, None)
            if not waiting:
                del self._groups[group]

    def take(self, may: Callable[[G], bool]) -> T | None:
        """Take the next one of the groups that `may` be served; `None`: there is none."""
        group = next((group for group in self._groups if may(group)), None)
        if group is None:
            return None
        waiting = self._groups[group]
        item, _ = waiting.popitem(last=False)
        if waiting:
            self._groups.move_to_end(group)
        else:
            del self._groups[group]
        return item
