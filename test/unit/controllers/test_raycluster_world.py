"""Whatever happens, and wherever the operator dies: the cluster ends up as it is asked for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_operator.operator.documents import JsonObject
from support.builders import a_cluster, a_group
from support.raycluster_world import World

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["turn", "fail", "delete", "kubelet", "scale", "suspend", "edit"]),
        st.integers(min_value=0, max_value=5),
    ),
    max_size=25,
)


class Story:
    """What a user asks for, step by step."""

    def __init__(self, hosts: int) -> None:
        self.hosts, self.replicas, self.suspend, self.edited = hosts, 2, False, False
        self.world = World(self.document())

    def document(self) -> JsonObject:
        return a_cluster(
            groups=[a_group(replicas=self.replicas, numOfHosts=self.hosts)],
            suspend=self.suspend,
            rayVersion="2.53.0" if self.edited else "2.52.0",
            upgradeStrategy={"type": "Recreate"},
        )

    def tell(self, what: str, number: int) -> None:
        names = sorted(self.world.pods)
        match what:
            case "turn":
                self.world.turn(budget=number)
            case "kubelet":
                self.world.play_kubelet()
            case "fail" if names:
                self.world.fail(names[number % len(names)])
            case "delete" if names:
                self.world.delete(names[number % len(names)])
            case "scale":
                self.replicas = number
            case "suspend":
                self.suspend = not self.suspend
            case "edit":
                self.edited = not self.edited
            case _:
                pass
        self.world.document = self.document()


@settings(max_examples=150)
@given(events=EVENTS, hosts=st.sampled_from([1, 1, 2]))
def test_the_cluster_ends_up_as_it_is_asked_for(events: list[tuple[str, int]], hosts: int) -> None:
    story = Story(hosts)
    for what, number in events:
        story.tell(what, number)
        assert len(story.world.live_heads) <= 1, "two heads at once"
    story.suspend = False
    story.tell("turn", 0)
    story.world.settle()
    assert len(story.world.live_heads) == 1
    assert len(story.world.live_workers("small")) == story.replicas * hosts
    assert story.world.turn() == ()


@pytest.mark.parametrize("writes", range(6))
def test_a_recreation_that_is_cut_off_anywhere_is_finished(writes: int) -> None:
    story = Story(hosts=1)
    story.world.settle()
    before = {pod.uid for pod in story.world.pods.values()}
    story.tell("edit", 0)
    story.world.turn(budget=writes)
    story.world.settle()
    after = {pod.uid for pod in story.world.pods.values()}
    assert len(after) == len(before)
    assert not after & before


@settings(max_examples=50)
@given(events=EVENTS)
def test_a_suspended_cluster_ends_up_without_pods(events: list[tuple[str, int]]) -> None:
    story = Story(hosts=1)
    for what, number in events:
        story.tell(what, number)
    story.suspend = True
    story.tell("turn", 0)
    story.world.settle()
    assert story.world.pods == {}
    assert story.world.status["state"] == "suspended"
