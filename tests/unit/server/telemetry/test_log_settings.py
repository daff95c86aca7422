from __future__ import annotations

import pytest

from server.errors import InvalidArgument, Unsupported
from server.telemetry.log_settings import LogRules, changed, log_settings, rules_of

START = rules_of("info")


@pytest.mark.parametrize(
    ("level", "levels"),
    [
        ("debug", {"debug", "info", "warning", "error", "critical"}),
        ("info", {"info", "warning", "error", "critical"}),
        ("warning", {"warning", "error", "critical"}),
        ("error", {"error", "critical"}),
    ],
)
def test_the_level_of_the_start_says_what_is_written(level, levels):
    assert rules_of(level).levels == levels


def test_each_level_can_be_changed_alone_and_null_asks_for_the_start():
    rules = changed(START, START, {"log_info": False, "log_verbose_level": 2})
    assert rules.levels == {"debug", "warning", "error", "critical"}
    assert changed(rules, START, {"log_info": None}) == LogRules(verbose=2)
    assert changed(rules, START, dict.fromkeys(log_settings(START))) == START
    assert changed(START, START, {"log_format": "ISO8601"}).iso
    assert changed(START, START, {}) == START


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"log_file": "x"}, Unsupported, "'log_file' cannot be changed"),
        ({"colour": "red"}, InvalidArgument, "unknown log setting 'colour'"),
        ({"log_info": 1}, InvalidArgument, "'log_info': expected true or false"),
        ({"log_error": "no"}, InvalidArgument, "'log_error': expected true or false"),
        ({"log_verbose_level": -1}, InvalidArgument, "'log_verbose_level': expected a whole"),
        ({"log_verbose_level": True}, InvalidArgument, "'log_verbose_level': expected a whole"),
        ({"log_format": "xml"}, InvalidArgument, "expected one of default, ISO8601"),
        ({"log_format": ["default"]}, InvalidArgument, "expected one of default, ISO8601"),
    ],
)
def test_what_cannot_be_is_refused(changes, kind, words):
    with pytest.raises(kind, match=words):
        changed(START, START, changes)
