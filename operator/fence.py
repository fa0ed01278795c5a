"""The fence: the last question before a write leaves, whether this process may still lead.

It is asked with no turn of the event loop between the answer and the bytes: a request may wait for
a connection for seconds, and between its head and its body the loop turns once, in which a busy
task may hold it past the end of the lead.  Reads pass always.
"""

from collections.abc import Callable
from typing import Any

import aiohttp

from ray_operator.operator.errors import Fenced


class Fence:
    """Open, until somebody says by what it is to be judged (`ask`)."""

    def __init__(self) -> None:
        self._may_write: Callable[[], bool] = lambda: True

    def ask(self, may_write: Callable[[], bool]) -> None:
        """Ask `may_write` from now on, for each write."""
        self._may_write = may_write

    def check(self, write: object) -> None:
        """Let `write` pass; what it says of itself is part of the error.

        Raises:
            Fenced: this process may no longer lead.
        """
        if not self._may_write():
            raise Fenced(f"{write}: not sent, because this process may no longer lead")

    def trace(self) -> aiohttp.TraceConfig:
        """Return hooks for a session, which check right before head and body are written.

        A request is a write if its `trace_request_ctx` is not `None`.
        """

        async def check(_session: object, context: Any, _parameters: object) -> None:  # noqa: ANN401 - aiohttp's namespace
            if context.trace_request_ctx is not None:
                self.check(context.trace_request_ctx)

        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(check)
        trace.on_request_chunk_sent.append(check)
        return trace
