"""Asks one URL steadily and counts the answers.  Runs in the test cluster, in a pod of Ray's image.

    python request_stream.py URL BODY REQUESTS_PER_SECOND SECONDS

An open loop: request n leaves at n / rate whether or not those before it were answered, so that a
stall shows as late answers and not as fewer requests.  Each has a connection of its own, as
kube-proxy chooses a pod once a connection.

It prints a line at the first answer, one for each request that failed or was slow, and at the end
(SIGTERM, or SECONDS have passed) a line with the counts.  Needs what Ray has: Python and aiohttp.
"""

import asyncio
import json
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

SLOW_SECONDS = 1.0
"""An answer takes milliseconds: one that takes this long has waited for something."""
TIMEOUT_SECONDS = 120.0
"""A request that went to a pod that is gone is never answered.  One that comes while another Ray
cluster starts on a machine of two cores was seen to be answered after 18 s, and is not lost."""


@dataclass
class Stream:
    """The requests so far."""

    url: str
    body: str
    answers: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    slowest_seconds: float = 0.0

    async def ask(self, session: aiohttp.ClientSession) -> None:
        """Send one request and count what comes of it."""
        clock = asyncio.get_running_loop().time
        began, sent_at = clock(), datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            async with session.post(self.url, data=self.body, raise_for_status=True) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.failed += 1
            text = f"{type(error).__name__}: {error}"
            say(failed=text, sent_at=sent_at, after_seconds=round(clock() - began, 3))
            return
        if not self.answers:
            say(answering=text)
        self.answers[text] += 1
        took = clock() - began
        self.slowest_seconds = max(self.slowest_seconds, took)
        if took > SLOW_SECONDS:
            say(slow=text, sent_at=sent_at, after_seconds=round(took, 3))


def say(**line: object) -> None:
    """Print one line of JSON at once."""
    print(json.dumps(line), flush=True)  # noqa: T201 - the pod's log is how it reports


async def stream(url: str, body: str, rate: float, seconds: float) -> None:
    """Ask until told to stop, then wait for the answers that are still out."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    asked = Stream(url, body)
    began = loop.time()
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            headers={"Content-Type": "application/json"},
        ) as session,
        asyncio.TaskGroup() as requests,
    ):
        for number in range(int(rate * seconds)):
            try:
                async with asyncio.timeout_at(began + number / rate):
                    await stopped.wait()
                break
            except TimeoutError:
                requests.create_task(asked.ask(session))
    say(
        sent=asked.answers.total() + asked.failed,
        failed=asked.failed,
        answers=dict(asked.answers),
        slowest_milliseconds=round(asked.slowest_seconds * 1000),
    )


if __name__ == "__main__":
    asyncio.run(stream(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
