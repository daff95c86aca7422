from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from runtimes.contract.codes import Code
from runtimes.contract.messages import Timings
from server.exchange import STAGES, Trace
from server.telemetry.access_log import AccessLog
from tests.unit.server.telemetry.exchanges import exchange

TIMINGS = Timings(2_000_000, 1_000_000, 5_000_000, 500_000)


def test_an_answer_has_one_line_with_all_there_is_to_know_of_it():
    one = exchange(timings=TIMINGS, decode=250_000, encode=250_000)
    one.version, one.answering, one.request_id = "stable", 7, "abc"
    one.trace = Trace("f" * 32, {})
    with capture_logs() as lines:
        AccessLog(1.0).ended(one, None)

    (line,) = lines
    stages = line.pop("stages_ms")
    assert line == {
        "event": "request", "log_level": "info", "model": "m", "version": "7", "protocol": "rest",
        "outcome": "OK", "bytes_in": 100, "bytes_out": 50, "total_ms": 9.0, "request_id": "abc",
        "trace_id": "f" * 32,
    }  # fmt: skip
    assert tuple(stages) == STAGES
    assert stages["compute"] == 5.0


def test_a_refusal_says_its_code_and_no_stages():
    one = exchange()
    one.version = "stable"
    with capture_logs() as lines:
        AccessLog(1.0).ended(one, Code.NOT_FOUND)
    (line,) = lines
    assert (line["outcome"], line["version"]) == ("NOT_FOUND", "stable")
    assert not {"stages_ms", "request_id", "trace_id"} & set(line)


@pytest.mark.parametrize(("draw", "lines"), [(0.0, 1), (0.24, 1), (0.25, 0), (0.99, 0)])
def test_only_part_of_the_requests_is_logged(draw, lines):
    with capture_logs() as logged:
        AccessLog(0.25, lambda: draw).ended(exchange(), None)
    assert len(logged) == lines
