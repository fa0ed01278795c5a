from dataclasses import dataclass

import pytest

from ray_operator.operator.keys import Key
from ray_operator.operator.store import Store


@dataclass(frozen=True)
class View:
    name: str
    owners: tuple[str, ...] = ()
    uid: str = "uid"
    resource_version: str = "1"

    @property
    def key(self) -> Key:
        return Key("ns", self.name)


@pytest.fixture
def store() -> Store[View]:
    return Store({"owner": lambda view: view.owners})


def test_what_was_put_is_found_by_key_and_by_index(store: Store[View]) -> None:
    a, b = View("a", ("x",)), View("b", ("x", "y"))
    store.put(a)
    store.put(b)

    assert store.get(a.key) is a
    assert store.values() == (a, b)
    assert store.by_index("owner", "x") == (a, b)
    assert store.by_index("owner", "y") == (b,)
    assert len(store) == 2


def test_a_replaced_view_is_found_only_where_the_new_one_belongs(store: Store[View]) -> None:
    old, new = View("a", ("x",)), View("a", ("y",))
    store.put(old)

    assert store.put(new) is old
    assert store.by_index("owner", "x") == ()
    assert store.by_index("owner", "y") == (new,)


def test_a_removed_view_is_found_nowhere(store: Store[View]) -> None:
    view = View("a", ("x",))
    store.put(view)

    assert store.remove(view.key) is view
    assert store.remove(view.key) is None
    assert store.get(view.key) is None
    assert store.by_index("owner", "x") == ()


def test_an_index_that_was_not_declared_is_a_mistake(store: Store[View]) -> None:
    with pytest.raises(KeyError):
        store.by_index("colour", "red")


def test_an_indexer_that_fails_leaves_everything_as_it_was() -> None:
    def by_second_owner(view: View) -> tuple[str]:
        return (view.owners[1],)

    store: Store[View] = Store({"owner": lambda view: view.owners, "second": by_second_owner})
    good, bad = View("a", ("x", "y")), View("a", ("z",))
    store.put(good)

    with pytest.raises(IndexError):
        store.put(bad)

    assert store.values() == (good,)
    assert store.by_index("owner", "x") == store.by_index("second", "y") == (good,)
    assert store.by_index("owner", "z") == ()


def test_what_was_handed_out_does_not_change(store: Store[View]) -> None:
    store.put(View("a", ("x",)))
    all_views, of_x = store.values(), store.by_index("owner", "x")

    store.put(View("b", ("x",)))
    store.remove(Key("ns", "a"))

    assert [view.name for view in all_views] == [view.name for view in of_x] == ["a"]
