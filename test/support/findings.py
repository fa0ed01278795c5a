"""What a session of end-to-end tests measured, for the table at its end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Findings:
    """Rows of what was measured and what came out, in the order of measuring."""

    rows: list[tuple[str, str]] = field(default_factory=list)

    def note(self, what: str, value: object) -> None:
        """Add a row."""
        self.rows.append((what, str(value)))

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add how long the block took; nothing if it fails."""
        began = time.monotonic()
        yield
        self.note(what, f"{time.monotonic() - began:.1f} s")

    def lines(self) -> list[str]:
        """Return the table."""
        width = max((len(what) for what, _ in self.rows), default=0)
        return [f"{what:<{width}}  {value}" for what, value in self.rows]
