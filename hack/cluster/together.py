"""Doing several slow things at once; the first failure ends them all.

A piece of work may wait for another's result: the pool has a thread for each.
"""

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self, TypeVar

from hack.cluster.shell import stop_all

T = TypeVar("T")

# More than we ever start: work that waits holds its thread.
THREADS = 16


class Together:
    """Leaving the block waits for all of it, and raises the first error."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS)
        self._started: list[Future[object]] = []

    def __enter__(self) -> Self:
        return self

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Begin; the result is for other work to wait for."""
        future = self._pool.submit(work)
        self._started.append(future)  # type: ignore[arg-type]  # read only for its error
        return future

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                wait(self._started, return_when=FIRST_EXCEPTION)
        except BaseException:  # Ctrl-C while waiting
            stop_all()
            raise
        finally:
            failed = next((f for f in self._started if f.done() and f.exception()), None)
            if failed or error:
                stop_all()
            self._pool.shutdown(cancel_futures=True)
        if failed and error is None:
            failed.result()
