"""The API server's audit log: who asked for what, how often."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ray_operator.operator.documents import JsonObject, decode, get_int, get_object, get_text

WRITING = frozenset({"create", "update", "patch", "delete", "deletecollection"})

BESIDES = frozenset({"events", "leases", "selfsubjectreviews"})
"""Writes that the targets leave out: they say what happened, or who we are."""

CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was answered."""

    user: str
    verb: str
    resource: str
    """The plural, with a subresource as `rayclusters/status`."""
    namespace: str
    code: int

    @property
    def is_write(self) -> bool:
        """Does it change something of the cluster's (not an event, not the Lease)?"""
        return self.verb in WRITING and self.resource not in BESIDES

    @property
    def is_conflict(self) -> bool:
        """Was it refused because somebody was faster?"""
        return self.code == CONFLICT


class AuditLog:
    """Reads on from where it stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def skip(self) -> None:
        """Leave out what was written so far."""
        self._offset = self._path.stat().st_size if self._path.exists() else 0

    def read(self) -> list[Call]:
        """Return the calls since the last `read` or `skip`; a line half written is left for later.

        Calls of the operator and the floor only: the policy keeps no others.
        """
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        return list(calls(whole.splitlines()))


def calls(lines: Iterable[bytes]) -> Iterator[Call]:
    """Read audit events (audit.k8s.io/v1, one a line), one call each.

    A watch counts when its answer begins (it may outlive us), everything else when it is complete.
    """
    for line in lines:
        event = decode(line)
        verb = get_text(event, "verb")
        counted = "ResponseStarted" if verb == "watch" else "ResponseComplete"
        if get_text(event, "stage") == counted:
            yield _call(event, verb)


def _call(event: JsonObject, verb: str) -> Call:
    target = get_object(event, "objectRef")
    parts = (get_text(target, "resource"), get_text(target, "subresource"))
    return Call(
        user=get_text(get_object(event, "user"), "username"),
        verb=verb,
        resource="/".join(part for part in parts if part) or "(no resource)",
        namespace=get_text(target, "namespace"),
        code=get_int(get_object(event, "responseStatus"), "code"),
    )


def tally(found: Iterable[Call]) -> Mapping[str, int]:
    """Count by verb and resource, most frequent first: `{"create pods": 600, …}`."""
    counts = Counter(f"{call.verb} {call.resource}" for call in found)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
