from __future__ import annotations

import pytest

from server.errors import InvalidArgument, Unsupported
from server.telemetry.trace_settings import TraceBook, TraceRule


def told(book: TraceBook, model: str = "") -> tuple[object, ...]:
    settings = book.settings(model)
    return settings["trace_level"], settings["trace_rate"], settings["trace_count"]


def test_every_request_is_traced_where_traces_have_somewhere_to_go_and_none_elsewhere():
    assert told(TraceBook(exporting=True)) == (["TIMESTAMPS"], "1", "-1")
    assert told(TraceBook(exporting=False)) == (["OFF"], "1", "-1")


def test_a_model_has_the_servers_settings_but_for_its_own():
    book = TraceBook(exporting=True)
    book.change("", {"trace_rate": "10"})
    book.change("one", {"trace_level": ["OFF"]})
    assert told(book, "one") == (["OFF"], "10", "-1")
    assert told(book, "other") == told(book) == (["TIMESTAMPS"], "10", "-1")
    assert book.rules().models == {"one": TraceRule(on=False, rate=10)}


def test_null_gives_a_model_the_servers_setting_and_the_server_that_of_its_start():
    book = TraceBook(exporting=True)
    book.change("", {"trace_rate": "10", "trace_level": "OFF", "trace_count": "5"})
    book.change("one", {"trace_rate": "3"})
    book.change("one", {"trace_rate": None})
    assert told(book, "one") == told(book)
    assert book.rules().models == {}
    book.change("", dict.fromkeys(book.settings("")))
    assert told(book) == (["TIMESTAMPS"], "1", "-1")


def test_setting_a_count_again_begins_it_anew():
    book = TraceBook(exporting=True)
    book.change("", {"trace_count": "5"})
    first = book.rules().default
    book.change("", {"trace_count": "5"})
    again = book.rules().default
    book.change("", {"trace_rate": "2"})
    assert first.count == again.count == 5
    assert first.given != again.given == book.rules().default.given


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"colour": "red"}, InvalidArgument, "unknown trace setting 'colour'"),
        ({"trace_level": ["TENSORS"]}, Unsupported, "TENSORS is not offered"),
        ({"trace_level": ["TIMESTAMPS", "TENSORS"]}, Unsupported, "TENSORS is not offered"),
        ({"trace_level": ["LOUD"]}, InvalidArgument, "expected OFF or TIMESTAMPS"),
        ({"trace_level": []}, InvalidArgument, "expected OFF or TIMESTAMPS"),
        ({"trace_file": "/etc/passwd"}, Unsupported, "'trace_file' cannot be changed"),
        ({"log_frequency": "5"}, Unsupported, "'log_frequency' cannot be changed"),
        ({"trace_mode": "triton"}, Unsupported, "'trace_mode' cannot be changed"),
        ({"trace_rate": "0"}, InvalidArgument, "'trace_rate': expected a whole number from 1"),
        ({"trace_rate": 5}, InvalidArgument, "'trace_rate'"),
        ({"trace_rate": ["5", "6"]}, InvalidArgument, "'trace_rate'"),
        ({"trace_rate": "9" * 5000}, InvalidArgument, "'trace_rate'"),
        ({"trace_rate": "²"}, InvalidArgument, "'trace_rate'"),
        ({"trace_count": "-2"}, InvalidArgument, "'trace_count': expected a whole number from -1"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(changes, kind, words):
    book = TraceBook(exporting=True)
    with pytest.raises(kind, match=words):
        book.change("", {"trace_rate": "7"} | changes)
    assert told(book) == (["TIMESTAMPS"], "1", "-1")


def test_traces_that_have_nowhere_to_go_cannot_be_switched_on():
    book = TraceBook(exporting=False)
    with pytest.raises(Unsupported, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        book.change("", {"trace_level": ["TIMESTAMPS"]})
    book.change("", {"trace_level": ["OFF"], "trace_rate": "1000"})
    assert told(book) == (["OFF"], "1000", "-1")
