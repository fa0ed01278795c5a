from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.raycluster.drawings import MOST_KEPT_BYTES, Drawings
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator.documents import get_object
from support.builders import a_cluster, a_container, a_group, a_template, a_view


def a_cluster_of(name: str, spec_bytes: int) -> ResourceView:
    """Return a cluster whose spec has about that many bytes."""
    env = [{"name": "PADDING", "value": "x" * spec_bytes}]
    document = a_cluster(groups=[a_group(template=a_template(a_container(env=env)))])
    metadata = {**get_object(document, "metadata"), "name": name, "uid": f"uid-of-{name}"}
    return a_view({**document, "metadata": metadata})


def some_drawings() -> Drawings:
    return Drawings(BuildOptions(), ())


def test_a_spec_is_read_once_while_it_is_the_same() -> None:
    drawings, view = some_drawings(), a_cluster_of("one", 100)

    assert drawings.of(view) is drawings.of(view)


def test_of_what_was_read_the_oldest_goes_when_there_is_no_room() -> None:
    drawings = some_drawings()
    views = [a_cluster_of(f"c{n}", MOST_KEPT_BYTES * 2 // 5) for n in range(3)]

    first, second, third = [drawings.of(view) for view in views]

    assert drawings.of(views[2]) is third
    assert drawings.of(views[1]) is second
    assert drawings.of(views[0]) is not first


def test_a_spec_that_is_larger_than_the_room_is_kept_until_the_next_one() -> None:
    drawings, view = some_drawings(), a_cluster_of("huge", MOST_KEPT_BYTES + 1)

    assert drawings.of(view) is drawings.of(view)
