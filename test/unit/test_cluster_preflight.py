"""All that is missing is named at once, a line each, and only that."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hack.cluster.preflight import GIB, Machine, complaints

GOOD = Machine(
    root=True,
    distribution="debian 12",
    architecture="x86_64",
    missing_commands=(),
    has_pip=True,
    missing_capabilities=(),
    has_overlay=True,
    on_overlay=False,
    cache=Path("/cache"),
    free_bytes=100 * GIB,
    cold=True,
    address_taken_by="",
    namespace_used_by=(),
    unreachable=(),
)


@dataclass(frozen=True, slots=True)
class Case:
    machine: Machine
    want: str


CASES = {
    "not root": Case(replace(GOOD, root=False), "not root"),
    "another distribution": Case(replace(GOOD, distribution="ubuntu 24.04"), "only Debian 12"),
    "another architecture": Case(replace(GOOD, architecture="aarch64"), "only x86_64"),
    "a container without privileges": Case(
        replace(GOOD, missing_capabilities=("CAP_SYS_ADMIN",)), "CAP_SYS_ADMIN"
    ),
    "a command": Case(replace(GOOD, missing_commands=("nsenter",)), "not on the path: nsenter"),
    "a Python without pip": Case(replace(GOOD, has_pip=False), "has no pip"),
    "a kernel without overlay": Case(replace(GOOD, has_overlay=False), "no overlay file system"),
    "a cache that lies on an overlay": Case(replace(GOOD, on_overlay=True), "XDG_CACHE_HOME"),
    "space for all that is to be built": Case(replace(GOOD, free_bytes=8 * GIB), "8.0 GiB free"),
    "space for the cluster alone": Case(
        replace(GOOD, free_bytes=1 * GIB, cold=False), "1.0 GiB free"
    ),
    "a source that does not answer": Case(
        replace(GOOD, unreachable=("PyPI",)), "PyPI cannot be reached"
    ),
    "the address": Case(replace(GOOD, address_taken_by="eth1"), "in use on interface eth1"),
    "the namespace": Case(replace(GOOD, namespace_used_by=(7, 8)), "other processes (7, 8)"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_missing_is_named(case: Case) -> None:
    (line,) = complaints(case.machine)
    assert case.want in line


def test_a_machine_that_has_all_hears_nothing() -> None:
    assert complaints(GOOD) == []


def test_less_space_is_needed_once_all_is_built() -> None:
    assert complaints(replace(GOOD, free_bytes=8 * GIB, cold=False)) == []


def test_everything_is_told_at_once() -> None:
    bad = replace(GOOD, root=False, has_overlay=False, address_taken_by="eth1")
    assert len(complaints(bad)) == 3
