"""Fixtures for the machinery: a scripted API server and a clock that stands still."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.api_server import ApiServer, running_api_server
from support.fake_clock import FakeClock


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    """A scripted API server on loopback."""
    async with running_api_server(tmp_path) as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    """A clock that the test moves."""
    return FakeClock()
