"""One event is one line, whatever names from outside hold."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest
import structlog

from server.telemetry.log_settings import LogRules
from server.telemetry.logs import configure_logs, use_log_rules

FORGED = 'digits\n{"event": "stopped"}\r\x1b[2J\x00\u2028end'


pytestmark = pytest.mark.usefixtures("logging_as_before")


def configured(level="info", log_format="json") -> io.StringIO:
    stream = io.StringIO()
    configure_logs(level, log_format, stream)
    return stream


def events(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_level_and_time():
    stream = configured()

    structlog.get_logger().info("ready", model="digits", version=1)

    (event,) = events(stream)
    assert event.pop("timestamp")
    assert event == {"event": "ready", "level": "info", "model": "digits", "version": 1}


def test_no_name_from_outside_can_forge_a_line_of_json():
    stream = configured()

    structlog.get_logger().info("ready", model=FORGED)
    structlog.get_logger().info(FORGED, **{FORGED: 1})

    written = stream.getvalue()
    assert written.count("\n") == 2
    assert "\r" not in written
    assert "\x1b" not in written
    first, second = (json.loads(line) for line in written.split("\n")[:2])
    assert first["model"] == FORGED
    assert second["event"] == FORGED


def test_nothing_from_outside_can_forge_a_line_of_text_or_steer_the_terminal():
    stream = configured(log_format="text")

    structlog.get_logger().info("worker output", text=FORGED)
    structlog.get_logger().info("worker output", text="\x1b[2J")
    logging.getLogger("some.library").warning(FORGED)

    written = stream.getvalue()
    assert written.count("\n") == 3
    assert len(written.splitlines()) == 3
    assert "\r" not in written
    assert "\x1b" not in written
    assert "digits" in written


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_says_how_much_is_logged(level, seen):
    stream = configured(level)

    log = structlog.get_logger()
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("x")

    assert [event["level"] for event in events(stream)] == seen


def test_auto_is_json_where_there_is_no_terminal():
    stream = configured(log_format="auto")

    structlog.get_logger().info("ready")

    assert events(stream)[0]["event"] == "ready"


def test_auto_is_text_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    configure_logs("info", "auto", stream)

    structlog.get_logger().info("ready")

    assert "ready" in stream.getvalue()
    with pytest.raises(ValueError, match=r"Expecting value|Extra data"):
        events(stream)


def test_what_libraries_log_comes_out_in_the_same_form():
    stream = configured()

    logging.getLogger("some.library").warning("careful %s", "now")
    logging.getLogger("some.library").info("not this")

    (event,) = events(stream)
    assert (event["event"], event["library"]) == ("careful now", "some.library")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_is_logged_without_the_values_of_variables(log_format):
    stream = configured(log_format=log_format)
    secret = "a client's data"

    try:
        raise ValueError(f"{len(secret)} bytes")
    except ValueError:
        logging.getLogger("some.library").exception("failed")

    assert "ValueError: 15 bytes" in stream.getvalue()
    assert secret not in stream.getvalue()


# ---- changed while it runs -----------------------------------------------------------------------


def test_levels_can_be_switched_one_by_one_also_for_loggers_that_were_there():
    stream = configured()
    log = structlog.get_logger()
    use_log_rules(LogRules(info=False, warning=True, error=False, verbose=1))
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(log, level)(level)
    log.exception("exception")
    assert [event["event"] for event in events(stream)] == ["debug", "warning"]
    use_log_rules(LogRules(info=False, warning=False, error=False))
    log.critical("no more")
    use_log_rules(LogRules())
    log.info("again")
    assert [event["event"] for event in events(stream)][2:] == ["again"]


def test_a_terminal_is_told_the_date_where_that_is_asked_for():
    stream = configured(log_format="text")
    log = structlog.get_logger()
    log.info("short")
    use_log_rules(LogRules(iso=True))
    log.info("long")
    short, long = stream.getvalue().splitlines()
    assert re.match(r"\d\d:\d\d:\d\d ", short)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", long)
