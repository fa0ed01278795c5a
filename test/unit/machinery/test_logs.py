import json
import logging
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ray_operator.operator.logfile import FILES_KEPT, LIFE, LogFile
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


@pytest.mark.parametrize(
    ("level", "told"),
    [
        (logging.DEBUG, ["debug", "info", "warning", "error"]),
        (logging.INFO, ["info", "warning", "error"]),
        (logging.WARNING, ["warning", "error"]),
        (logging.ERROR, ["error"]),
    ],
)
def test_a_level_tells_what_is_as_grave_or_graver(
    capsys: pytest.CaptureFixture[str], level: int, told: list[str]
) -> None:
    configure(LogSettings(level=level))

    for tell in (log.debug, log.info, log.warning, log.error):
        tell("something happened")

    assert [line["level"] for line in lines(capsys)] == told


def test_what_libraries_chat_about_is_told_to_those_who_debug(
    capsys: pytest.CaptureFixture[str],
) -> None:
    library = logging.getLogger("urllib3.connectionpool")
    configure(LogSettings())
    library.info("chat")
    library.warning("trouble")

    assert [line["msg"] for line in lines(capsys)] == ["trouble"]
    logging.getLogger("urllib3").setLevel(logging.NOTSET)


def test_a_line_of_a_library_has_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings())

    with log_context(controller="c"):
        logging.getLogger("somebody").warning("%s of %s", 1, 2)

    (line,) = lines(capsys)
    assert (line["logger"], line["msg"]) == ("somebody", "1 of 2")


def test_a_message_of_many_lines_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings())

    log.error("it broke", error='first\nsecond "quoted" \u2028 third')

    assert capsys.readouterr().out.count("\n") == 1


def filled(path: Path, **options: object) -> LogFile:
    """Return a log file of at most 100 bytes into which many lines were written."""
    file = LogFile(path, file_bytes=100, **options)  # type: ignore[arg-type]  # keywords of LogFile
    for number in range(300):
        file.emit(logging.makeLogRecord({"msg": f"line {number}"}))
    return file


def test_a_file_is_rotated_by_size_and_the_newest_are_kept(tmp_path: Path) -> None:
    filled(tmp_path / "operator.log").close()

    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"operator.log", *(f"operator.log.{n}" for n in range(1, FILES_KEPT + 1))}
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    assert "line 299" in (tmp_path / "operator.log").read_text()


def grow_old(path: Path, age: timedelta) -> None:
    then = time.time() - age.total_seconds()
    os.utime(path, (then, then))


def test_what_is_older_than_a_month_goes_at_the_next_rotation(tmp_path: Path) -> None:
    file = filled(tmp_path / "operator.log", kept=3)
    grow_old(tmp_path / "operator.log.2", LIFE + timedelta(hours=1))
    grow_old(tmp_path / "operator.log.1", LIFE - timedelta(hours=1))

    file.doRollover()
    file.close()

    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"operator.log", "operator.log.1", "operator.log.2"}


def test_what_is_older_than_a_month_goes_at_the_start(tmp_path: Path) -> None:
    filled(tmp_path / "operator.log", kept=3).close()
    grow_old(tmp_path / "operator.log.3", LIFE + timedelta(hours=1))

    LogFile(tmp_path / "operator.log", kept=3).close()

    assert not (tmp_path / "operator.log.3").exists()
    assert (tmp_path / "operator.log.2").exists()


def test_a_full_disk_does_not_stop_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(file=Path("/dev/full")))

    log.info("created pod")

    captured = capsys.readouterr()
    assert "created pod" in captured.out
    assert "No space left on device" in captured.err
    (file,) = (h for h in logging.getLogger().handlers if isinstance(h, LogFile))
    with pytest.raises(OSError, match="No space left"):
        file.close()
    logging.getLogger().removeHandler(file)
