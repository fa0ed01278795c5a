"""What may go wrong between the operator and the API server, each fault a value with a sentence.

A fault meets the requests that its `where` chooses: it may answer in the API server's place, change
the answer, or act upon the lines of a watch.  After `times` of that it is spent, and the proxy
forgets it.
"""

from collections.abc import Callable, Iterable

from faults.exchange import Answer, Asked, Forward, Stream

Where = Callable[[Asked], bool]


class Fault:
    """Does nothing; the faults that do something override `answer` or `line`.

    Args:
        sentence: what it does, in plain words; the key of the table.
        where: which requests it meets.
        times: how often it acts before it is spent.
    """

    def __init__(self, sentence: str, where: Where, times: int = 1) -> None:
        self.sentence = sentence
        self.where = where
        self.times = times
        self.acted = 0

    @property
    def is_spent(self) -> bool:
        """Whether it has acted as often as it may."""
        return self.acted >= self.times

    async def answer(self, asked: Asked, forward: Forward) -> Answer:
        """Answer a request; `forward` asks whoever is behind.

        Raises:
            Cut: there is no answer, and the connection is cut.
        """
        return await forward(asked)

    def line(self, _stream: Stream, line: bytes) -> Iterable[bytes]:
        """Return what becomes of a line of an open watch.

        Raises:
            Cut: the connection is cut, perhaps in the middle of a line.
        """
        return (line,)

    def __str__(self) -> str:
        return self.sentence


def on(verb: str, resource: str, subresource: str = "") -> Where:
    """Choose requests of one verb on one kind."""

    def where(asked: Asked) -> bool:
        found = (asked.verb, asked.resource, asked.subresource)
        return found == (verb, resource, subresource)

    return where


def on_writes(asked: Asked) -> bool:
    """Choose every write that makes something of the cluster."""
    return asked.is_write
