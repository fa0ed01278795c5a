"""Counting what the operator asked for, from the API server's audit log."""

import json
from collections.abc import Mapping
from pathlib import Path

from hack.bench.audit import AuditLog, calls, tally

OPERATOR = "system:serviceaccount:ray-system:ray-operator"


def a_line(verb: str, resource: str, **changes: object) -> bytes:
    """An event of audit.k8s.io/v1; `changes` replace its fields."""
    plural, _, subresource = resource.partition("/")
    event: Mapping[str, object] = {
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {"username": OPERATOR},
        "objectRef": {"resource": plural, "subresource": subresource, "namespace": "bench"},
        "responseStatus": {"code": 200},
        **changes,
    }
    return json.dumps(event).encode() + b"\n"


def test_calls_are_counted_by_verb_and_resource_the_most_frequent_first() -> None:
    lines = [a_line("patch", "rayclusters/status"), a_line("create", "pods")]
    assert list(tally(calls([*lines, a_line("create", "pods")])).items()) == [
        ("create pods", 2),
        ("patch rayclusters/status", 1),
    ]


def test_a_watch_counts_once_though_its_answer_has_a_beginning_and_an_end() -> None:
    begins = a_line("watch", "pods", stage="ResponseStarted")
    ends = a_line("watch", "pods", stage="ResponseComplete")
    assert tally(calls([begins, ends])) == {"watch pods": 1}


def test_events_and_the_lease_are_no_writes_but_a_status_is() -> None:
    lines = [
        a_line("create", "events"),
        a_line("update", "leases"),
        a_line("create", "selfsubjectreviews"),
        a_line("get", "rayclusters"),
        a_line("patch", "rayclusters/status"),
    ]
    assert [call.resource for call in calls(lines) if call.is_write] == ["rayclusters/status"]


def test_a_conflict_is_told_by_its_code() -> None:
    (call,) = calls([a_line("patch", "pods", responseStatus={"code": 409})])
    assert call.is_conflict


def test_a_request_for_no_resource_has_a_name_too() -> None:
    line = json.dumps({"stage": "ResponseComplete", "verb": "get", "requestURI": "/version"})
    assert tally(calls([line.encode()])) == {"get (no resource)": 1}


def test_the_log_is_read_on_from_where_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = AuditLog(path)
    assert log.read() == []
    path.write_bytes(a_line("create", "pods"))
    log.skip()
    with path.open("ab") as file:
        file.write(a_line("create", "services"))
    assert [call.resource for call in log.read()] == ["services"]
    assert log.read() == []


def test_a_line_that_is_half_written_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path, line = tmp_path / "audit.log", a_line("create", "pods")
    log = AuditLog(path)
    path.write_bytes(line[:30])
    assert log.read() == []
    path.write_bytes(line)
    assert [call.resource for call in log.read()] == ["pods"]
