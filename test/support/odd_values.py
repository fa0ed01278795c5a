"""Values that nobody expects, put into places of a document: for hypothesis."""

from collections.abc import Iterator, Mapping, Sequence

from hypothesis import strategies as st

from ray_operator.operator.documents import JsonObject, JsonValue, decode, encode, shallow

_TEXTS = (
    "",
    " ",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1e-999999999",
    "9" * 5_000,
    "-1",
    "0x10",
    "²",
    "٣",
    "true",
    "null",
    "None",
    "../..",
    "a: [",
    "&a [*a, *a]",
    "\N{PILE OF POO}" * 50,
    "e\u0301\u200b\u202e",
    "line\nline\0",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "ray.io/",
    "x" * 5_000,
)
_NUMBERS = (0, -1, 1, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1)
_FLOATS = (0.0, -0.0, 0.5, 1e308, -1e308, 5e-324)

SCALARS: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(_NUMBERS),
    st.sampled_from(_FLOATS),
    st.sampled_from(_TEXTS),
    st.text(max_size=20),
)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(_TEXTS), st.text(max_size=9)), inner, max_size=3),
    ),
    max_leaves=6,
)
"""Any JSON value, odd ones first."""

CHANGES = st.lists(st.tuples(st.integers(0, 10**6), VALUES), min_size=1, max_size=4)
"""What `with_changes` takes: any places and their new values."""

Path = tuple[str | int, ...]


def places(value: JsonValue, path: Path = ()) -> Iterator[Path]:
    """Yield every place in a document below the top, the outer ones first."""
    if isinstance(value, Mapping):
        items: Iterator[tuple[str | int, JsonValue]] = iter(value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        items = iter(enumerate(value))
    else:
        return
    for name, item in items:
        yield (*path, name)
        yield from places(item, (*path, name))


def with_changes(document: JsonObject, changes: Sequence[tuple[int, JsonValue]]) -> JsonObject:
    """Return the document as it comes over the wire, with other values in some of its places."""
    for number, value in changes:
        found = tuple(places(document))
        if not found:
            break
        changed = _replaced(document, found[number % len(found)], value)
        document = changed if isinstance(changed, Mapping) else {}
    return decode(encode(shallow(document)))


def _replaced(value: JsonValue, path: Path, new: JsonValue) -> JsonValue:
    if not path:
        return new
    first, *rest = path
    if isinstance(value, Mapping):
        items = dict(value)
        items[str(first)] = _replaced(value[str(first)], tuple(rest), new)
        return items
    assert isinstance(value, Sequence)
    return [
        _replaced(item, tuple(rest), new) if place == first else item
        for place, item in enumerate(value)
    ]
