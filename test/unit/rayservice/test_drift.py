from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from ray_operator.controllers.rayservice.drift import covers, differing_paths
from ray_operator.operator.documents import JsonObject, JsonValue


@dataclass(frozen=True)
class Difference:
    left: JsonObject
    right: JsonObject
    want: list[str]


DIFFERENCES: Mapping[str, Difference] = {
    "nothing differs": Difference({"a": 1}, {"a": 1}, []),
    "a value differs": Difference({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b"]),
    "a key is missing": Difference({"a": {}}, {"a": {"b": 2}}, ["a.b"]),
    "an item of a list is told by its name": Difference(
        {"containers": [{"name": "ray", "image": "x"}]},
        {"containers": [{"name": "ray", "image": "y"}]},
        ["containers[ray].image"],
    ),
    "lists of other items are told as a whole": Difference(
        {"groups": [{"groupName": "a"}]},
        {"groups": [{"groupName": "a"}, {"groupName": "b"}]},
        ["groups"],
    ),
    "what is left out is not compared": Difference({"replicas": 1}, {"replicas": 2}, []),
}


@pytest.mark.parametrize("case", DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_differences_are_told_by_their_paths(case: Difference) -> None:
    found = differing_paths(case.left, case.right, leave_out=frozenset({"replicas"}))
    assert list(found) == case.want


COVERED: Mapping[str, tuple[JsonValue, JsonValue, bool]] = {
    "equal values": ({"a": [1]}, {"a": [1]}, True),
    "more is said": ({"a": 1}, {"a": 1, "b": 2}, True),
    "more is said in an item": ([{"name": "d"}], [{"name": "d", "max": 5}], True),
    "something is lost": ({"a": 1}, {"b": 2}, False),
    "something is changed": ({"a": {"b": 1}}, {"a": {"b": 2}}, False),
    "an item is lost": ([1, 2], [1], False),
    "a whole number may come back as a decimal": ({"a": 1}, {"a": 1.0}, True),
}


@pytest.mark.parametrize(("part", "whole", "want"), COVERED.values(), ids=COVERED.keys())
def test_what_was_sent_is_looked_for_in_what_is_reported(
    *, part: JsonValue, whole: JsonValue, want: bool
) -> None:
    assert covers(part, whole) is want
