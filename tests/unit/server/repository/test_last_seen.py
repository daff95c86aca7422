"""What a store held is known at the next start, and a file that is damaged counts as none."""

from __future__ import annotations

import json

import pytest

from server.repository import last_seen

SEEN = {"a": {1: "0" * 32, 12: "f" * 32}, "b": {}}


def test_what_was_kept_is_recalled_and_the_last_holds(tmp_path):
    last_seen.keep(tmp_path, {"old": {1: "0" * 32}})
    last_seen.keep(tmp_path, SEEN)
    assert last_seen.recall(tmp_path) == SEEN
    assert [path.name for path in tmp_path.iterdir()] == [last_seen.NAME]


def test_where_nothing_was_kept_nothing_is_known(tmp_path):
    assert last_seen.recall(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '{"format": 2, "models": {"a": {}}}', '{"format": 1}',
        '{"format": 1, "models": []}', "[" * 100_000, '"\\ud800"', '{"format": NaN}',
    ],
)  # fmt: skip
def test_a_file_of_another_form_counts_as_none(tmp_path, text):
    (tmp_path / last_seen.NAME).write_text(text)
    assert last_seen.recall(tmp_path) == {}


def test_one_that_is_too_large_counts_as_none(tmp_path, monkeypatch):
    last_seen.keep(tmp_path, SEEN)
    monkeypatch.setattr(last_seen, "MAX_BYTES", 10)
    assert last_seen.recall(tmp_path) == {}


def test_only_names_numbers_and_fingerprints_are_believed(tmp_path):
    versions = {"1": "0" * 32, "01": "0" * 32, "../2": "0" * 32, "3": "../..", "4": 4, "5": None}
    document = {"format": 1, "models": {"a": versions, "../x": {"1": "0" * 32}, "c": [1]}}
    (tmp_path / last_seen.NAME).write_text(json.dumps(document))
    assert last_seen.recall(tmp_path) == {"a": {1: "0" * 32}}
