"""What was tried, for the table at the end of a session: faults by scenarios, with counts.

Any test may record a combination:

    TABLE.record("raycluster", "create", "killed before a write", Outcome.HELD)
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a combination."""

    HELD = "held"
    FAILED = "failed"
    MISSED = "missed"
    """The fault had no chance to act: nothing was proven, and nothing is counted."""


@dataclass
class Table:
    """Counts by controller, fault and scenario."""

    _counts: dict[tuple[str, str, str], Counter[Outcome]] = field(
        default_factory=lambda: defaultdict(Counter)
    )

    def record(self, controller: str, scenario: str, fault: str, outcome: Outcome) -> None:
        """Add one combination."""
        self._counts[(controller, fault, scenario)][outcome] += 1

    @property
    def tried(self) -> int:
        """How many combinations in which the fault acted."""
        return sum(each.total() - each[Outcome.MISSED] for each in self._counts.values())

    @property
    def failed(self) -> int:
        """How many of them came out wrong."""
        return sum(each[Outcome.FAILED] for each in self._counts.values())

    def lines(self) -> list[str]:
        """Return the table, a part for each controller; a cell is "held" or "held/tried"."""
        lines = []
        for controller in dict.fromkeys(key[0] for key in self._counts):
            lines += [*self._part(controller), ""]
        lines.append(f"{self.tried} combinations tried, {self.failed} failed")
        return lines

    def _part(self, controller: str) -> list[str]:
        keys = [key for key in self._counts if key[0] == controller]
        scenarios = list(dict.fromkeys(key[2] for key in keys))
        faults = list(dict.fromkeys(key[1] for key in keys))
        width = max(len(fault) for fault in (controller, *faults))
        heads = "  ".join(scenarios)
        lines = [f"{controller:<{width}}  {heads}  total"]
        for fault in faults:
            cells = [self._counts.get((controller, fault, each), Counter()) for each in scenarios]
            row = [
                _cell(cell).rjust(len(name)) for cell, name in zip(cells, scenarios, strict=True)
            ]
            total = _cell(sum(cells, Counter())).rjust(len("total"))
            lines.append("  ".join([f"{fault:<{width}}", *row, total]))
        return lines


def _cell(counts: "Counter[Outcome]") -> str:
    tried = counts.total() - counts[Outcome.MISSED]
    if not tried:
        return "-"
    held = counts[Outcome.HELD]
    return str(held) if held == tried else f"{held}/{tried}"


TABLE = Table()
"""Of this session."""
