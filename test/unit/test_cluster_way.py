"""Which cluster is used follows from what the machine offers."""

from dataclasses import dataclass

import pytest

from hack.cluster.errors import ClusterError
from hack.cluster.way import Sight, Way, choose


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
        Sight("kind", ours_runs=True, docker_answers=True, docker_pulls=True), Way.PACKAGED
    ),
    "the user's own cluster, whatever else there is": Case(
        Sight("current", ours_runs=True), Way.CURRENT
    ),
    "a way can be named": Case(Sight("pulled"), Way.PULLED),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_way(case: Case) -> None:
    assert choose(case.sight) is case.want


def test_an_unknown_wish_is_told_with_the_known_ones() -> None:
    with pytest.raises(ClusterError, match=r"CLUSTER=minikube: expected kind .*, current"):
        choose(Sight("minikube"))
