"""An informer against a model: whatever the network did, the truth wins in the end.

Hypothesis invents what happens in the cluster and what goes wrong on the wire; all of it really
passes over HTTP.  At the end the wire is sound and everybody lists again.
"""

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ray_operator.operator.documents import get_object, get_text
from ray_operator.operator.keys import Key
from support.api_server import running_api_server
from support.fake_clock import FakeClock
from support.imperfect_cluster import ANSWER_FAULTS, CHANGES, LINE_FAULTS, ImperfectCluster
from support.informer_world import PATH, PodView, World, watching

NAMES = ("a", "b", "c")


@dataclass
class Listener:
    """A handler that believes nothing: what it is told must follow from what it was told before."""

    last: dict[Key, PodView] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    def hear(self, old: PodView | None, new: PodView | None) -> None:
        """Follow the story of a key: each `old` is the `new` before it, within one life."""
        view = new or old
        known = self.last.pop(view.key, None) if view else None
        if view is None or known is not old or (old and new and old.uid != new.uid) or old == new:
            self.contradictions.append(f"knew {known}, was told {old} -> {new}")
        if new is not None:
            self.last[new.key] = new
        elif old is not None:
            self.ended.append(old.uid)


@dataclass(frozen=True)
class Story:
    """Changes of the cluster, faults of lines and of answers, in the order of their happening."""

    changes: list[tuple[str, str]]
    line_faults: list[str]
    answer_faults: list[str]
    streams_lists: bool


STORIES = st.builds(
    Story,
    changes=st.lists(
        st.tuples(st.sampled_from(CHANGES), st.sampled_from(NAMES)), min_size=5, max_size=20
    ),
    line_faults=st.lists(st.sampled_from(LINE_FAULTS), min_size=3, max_size=15),
    answer_faults=st.lists(st.sampled_from(sorted(ANSWER_FAULTS)), max_size=4),
    streams_lists=st.booleans(),
)


@settings(max_examples=60)
@given(story=STORIES)
def test_after_a_truthful_list_the_store_is_the_cluster_and_each_handler_heard_a_sound_story(
    story: Story,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(story, Path(folder)))


async def play(story: Story, folder: Path) -> None:
    cluster = ImperfectCluster(
        line_faults=story.line_faults[::-1], answer_faults=story.answer_faults[::-1]
    )
    listener = Listener()
    clock = FakeClock()
    async with running_api_server(folder) as server:
        server.on("GET", PATH, cluster.list)
        server.on("WATCH", PATH, cluster.watch)
        async with watching(server, clock, streams_lists=story.streams_lists) as world:
            world.informer.on_change(listener.hear)
            await world.until(lambda: world.informer.has_synced)
            for change, name in story.changes:
                cluster.happen(change, name)
                await world.pass_time()
            cluster.be_truthful()
            await world.until(
                lambda: bool(cluster.truthful_lists) and not differences(world, cluster)
            )
            late = Listener()
            world.informer.on_change(late.hear)
            stored = {view.key: view for view in world.informer.store.values()}
            assert listener.last == late.last == stored
            assert listener.contradictions == late.contradictions == []
    if all(change != "restore" for change, _ in story.changes):
        assert len(set(listener.ended)) == len(listener.ended), "a life ends once"


def differences(world: World, cluster: ImperfectCluster) -> list[str]:
    """Say what is in the store and not in the cluster, and the other way round."""
    readable = {
        name: get_text(get_object(document, "metadata"), "resourceVersion")
        for name, document in cluster.objects.items()
        if "unreadable" not in get_object(document, "metadata", "labels")
    }
    found = {name: v for name, v in world.cached.items() if name in readable}
    said = [f"store {found} is not cluster {readable}"] if found != readable else []
    unreadable = {key.name for key in world.informer.unreadable}
    if unreadable != cluster.objects.keys() - readable.keys():
        said.append(f"unreadable {unreadable} of {cluster.objects}")
    for view in world.informer.store.values():
        metadata = get_object(cluster.objects.get(view.key.name, {}), "metadata")
        if view.uid != get_text(metadata, "uid"):
            said.append(f"{view} is no more")
    return said
