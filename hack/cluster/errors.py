"""What can go wrong with the cluster, as a person is told it.

ClusterError            what is wrong, and what to do about it
    CommandError        a tool failed: its last words, and the log that has the rest
"""

from pathlib import Path


class ClusterError(Exception):
    """Something that a person must know or mend; the message is the whole story."""


class CommandError(ClusterError):
    """A tool that we ran ended with an error."""

    def __init__(self, command: str, code: int, log: Path | None, last_words: str) -> None:
        where = f"; the whole output is in {log}" if log else ""
        super().__init__(f"`{command}` ended with {code}{where}\n{last_words}".rstrip())
        self.code = code
