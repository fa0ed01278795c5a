"""A log file that is rotated by size, of whose predecessors the newest are kept, for a while.

`operator.log` is written; `operator.log.1` is what it was before the last rotation, and so on.
Predecessors that are too old go when the file is opened and at each rotation: as the peer's
(lumberjack's `MaxSize`, `MaxBackups`, `MaxAge`; operator.md §2.1).
"""

import logging.handlers
import time
from datetime import timedelta
from pathlib import Path

FILE_BYTES = 500 * 1024 * 1024
FILES_KEPT = 10
LIFE = timedelta(days=30)


class LogFile(logging.handlers.RotatingFileHandler):
    """Writes lines to `path`; what it cannot write, it says on stderr, and goes on.

    Raises:
        OSError: the file can't be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        file_bytes: int = FILE_BYTES,
        kept: int = FILES_KEPT,
        life: timedelta = LIFE,
    ) -> None:
        self._life = life
        super().__init__(path, maxBytes=file_bytes, backupCount=kept, encoding="utf-8")
        self._bury_the_old()

    def doRollover(self) -> None:  # noqa: N802 - the library's name
        """Begin a new file."""
        super().doRollover()
        self._bury_the_old()

    def _bury_the_old(self) -> None:
        """The time of a predecessor is that of its last line."""
        oldest = time.time() - self._life.total_seconds()
        for number in range(1, self.backupCount + 1):
            path = Path(f"{self.baseFilename}.{number}")
            if path.exists() and path.stat().st_mtime < oldest:
                path.unlink()
