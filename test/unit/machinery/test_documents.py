from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from ray_operator.operator.documents import (
    DEEPEST,
    TOO_DEEP,
    JsonObject,
    canonical,
    copy_document,
    decode,
    encode,
    format_micro_time,
    get_flag,
    get_int,
    get_items,
    get_object,
    get_objects,
    get_text,
    get_texts,
    get_time,
    merge_patch,
    shallow,
)

ODD: JsonObject = {"n": 1, "b": True, "t": "x", "l": [1, {"a": 1}], "o": {"k": "v", "n": 1}}


DEEP = '{"a":' * 3000 + "1" + "}" * 3000


def test_one_object_that_is_nested_too_deeply_hides_no_other() -> None:
    page = decode('{"items":[{"x":"}]\\\\","m":[1,2]},' + DEEP + ',{"y":"\\""}],"k":"v"}')

    first, deep, last = get_objects(page, "items")
    assert (first, last, page["k"]) == ({"x": "}]\\", "m": [1, 2]}, {"y": '"'}, "v")
    assert encode(deep).count(b"{") == DEEPEST - 2  # the page and its list are levels, too
    assert f'"a":"{TOO_DEEP}"'.encode() in encode(deep)


def test_what_is_no_json_is_refused_all_the_same() -> None:
    with pytest.raises(ValueError, match="line 1"):
        decode('{"a": [1,}')


def test_a_shallow_copy_can_be_written() -> None:
    read = decode('{"a":' * 700 + "[1]" + "}" * 700)
    with pytest.raises(TypeError):
        encode(read)

    assert encode(shallow(read)).count(b"{") == DEEPEST
    assert shallow(ODD) == ODD


def test_getters_return_what_is_there() -> None:
    assert get_int(ODD, "n") == 1
    assert get_flag(ODD, "b")
    assert get_text(ODD, "t") == "x"
    assert get_items(ODD, "l") == [1, {"a": 1}]
    assert get_objects(ODD, "l") == ({"a": 1},)
    assert get_texts(ODD, "o") == {"k": "v"}
    assert get_object({"a": {"b": ODD}}, "a", "b") == ODD


def test_getters_return_the_empty_value_for_what_is_absent_or_of_another_type() -> None:
    for key in ("absent", "b"):
        assert get_int(ODD, key) == 0
        assert get_text(ODD, key) == ""
        assert get_items(ODD, key) == ()
        assert get_objects(ODD, key) == ()
        assert get_object(ODD, key) == {}
    assert get_flag(ODD, "n") is False
    assert get_items(ODD, "t") == ()
    assert get_object(ODD, "t", "deeper") == {}
    assert get_time(ODD, "t") is None


def test_times_are_read_and_written_in_utc() -> None:
    time = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)

    assert format_micro_time(time) == "2026-01-02T03:04:05.678900Z"
    assert get_time({"t": "2026-01-02T04:04:05.678900+01:00"}, "t") == time


@pytest.mark.parametrize("text", [b"", b"[1]", b"{", b"null"])
def test_only_an_object_is_decoded(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"(?i)JSON|unexpected|input"):
        decode(text)


def test_any_mapping_and_sequence_can_be_encoded() -> None:
    value: JsonObject = MappingProxyType({"b": (1, 2), "a": OrderedDict(x="y")})

    assert encode(value) == b'{"b":[1,2],"a":{"x":"y"}}'
    assert canonical(value) == b'{"a":{"x":"y"},"b":[1,2]}'


def test_a_copy_shares_nothing() -> None:
    original = {"a": {"b": [1]}}

    copied = copy_document(original)
    original["a"]["b"].append(2)

    assert copied == {"a": {"b": [1]}}


@dataclass(frozen=True)
class Patch:
    current: JsonObject
    desired: JsonObject
    want: JsonObject


PATCHES = {
    "equal documents": Patch({"a": {"b": 1}}, {"a": {"b": 1}}, {}),
    "a new key": Patch({}, {"a": 1}, {"a": 1}),
    "a changed key": Patch({"a": 1}, {"a": 2}, {"a": 2}),
    "a removed key": Patch({"a": 1}, {}, {"a": None}),
    "a change far below": Patch(
        {"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, {"a": {"b": {"c": 2}}}
    ),
    "an array is replaced": Patch({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
    "an object instead of a scalar": Patch({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
}


@pytest.mark.parametrize("case", [pytest.param(c, id=s) for s, c in PATCHES.items()])
def test_merge_patches(case: Patch) -> None:
    assert merge_patch(case.current, case.desired) == case.want
