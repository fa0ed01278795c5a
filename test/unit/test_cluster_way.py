"""Which cluster is used follows from what the machine offers."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from hack.cluster.cache import Cache
from hack.cluster.errors import ClusterError
from hack.cluster.way import Sight, Way, begin, choose, end, look


@dataclass(frozen=True, slots=True)
class Case:
    sight: Sight
    want: Way


CASES = {
    "no Docker daemon: packages": Case(Sight("kind"), Way.PACKAGED),
    "a daemon that gets images: stock kind": Case(
        Sight("kind", docker_answers=True, docker_pulls=True), Way.PULLED
    ),
    "a daemon that gets none: packages": Case(Sight("kind", docker_answers=True), Way.PACKAGED),
    "what was begun with packages is gone on with": Case(
        Sight("kind", begun=Way.PACKAGED, docker_answers=True, docker_pulls=True), Way.PACKAGED
    ),
    "stock kind is found again though the registry is out of reach now": Case(
        Sight("kind", begun=Way.PULLED), Way.PULLED
    ),
    "the user's own cluster, whatever else there is": Case(
        Sight("current", begun=Way.PACKAGED), Way.CURRENT
    ),
    "a way can be named": Case(Sight("pulled"), Way.PULLED),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_way(case: Case) -> None:
    assert choose(case.sight) is case.want


def test_what_was_begun_is_remembered_until_it_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLUSTER", raising=False)
    cache = Cache(tmp_path)

    begin(cache, Way.PULLED)
    assert choose(look(cache)) is Way.PULLED

    end(cache)
    assert look(cache).begun is None


def test_an_unknown_wish_is_told_with_the_known_ones() -> None:
    with pytest.raises(ClusterError, match=r"CLUSTER=minikube: expected kind .*, current"):
        choose(Sight("minikube"))
