import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from ray_operator.operator.logs import Logger, LogSettings, configure, log_context

log = Logger("ray_operator.operator.example")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_is_one_json_object_with_a_constant_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(LogSettings())

    log.info("created pod", pod="a", count=2, path=Path("/x"))

    (line,) = lines(capsys)
    assert str(line.pop("ts")).endswith("Z")
    assert line == {
        "level": "info",
        "logger": "operator.example",
        "msg": "created pod",
        "pod": "a",
        "count": 2,
        "path": "/x",
    }


def test_context_is_added_inside_and_gone_outside(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings())

    with log_context(controller="c"), log_context(name="n"):
        log.info("inside")
    log.info("outside")

    inside, outside = lines(capsys)
    assert (inside["controller"], inside["name"]) == ("c", "n")
    assert "controller" not in outside


def test_an_exception_brings_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings())

    try:
        int("oops")
    except ValueError:
        log.exception("it broke")

    (line,) = lines(capsys)
    assert "ValueError: invalid literal" in str(line["trace"])


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(level=logging.ERROR))

    log.info("created pod")

    assert lines(capsys) == []


def test_a_console_line_is_for_eyes(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(stdout_encoder="console"))

    log.warning("careful", pod="a")

    assert capsys.readouterr().out.rstrip().endswith("WARNING careful  pod=a")


def test_lines_go_to_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "operator.log"
    configure(LogSettings(file=path))

    log.info("created pod")

    assert json.loads(path.read_text())["msg"] == "created pod"
