"""The options of the fault suite, and the table of what was tried at its end."""

import pytest

from faults.table import TABLE


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let one combination be run again, and the random walk be longer."""
    parser.addoption("--combination", default="", help="a piece of a trouble's text")
    parser.addoption("--minutes", type=float, default=5.0, help="how long a soak lasts")
    parser.addoption("--seed", type=int, default=None, help="the soak's; without, a new one a walk")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if TABLE.tried:
        terminalreporter.section("faults by scenarios")
        for line in TABLE.lines():
            terminalreporter.line(line)
