"""Whether a version is whole, by its manifest or by a quiet period."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.repository.completeness import Sight, first_seen, judge_manifest, judge_quiet
from server.repository.manifest import Manifest, ManifestFile
from server.repository.survey import Survey

QUIET = 2.0


def seen(files=None, newest=100.0, unfinished=""):
    files = {"model.pt": 3} if files is None else files
    return Survey(files, int(newest * 1e9), unfinished, False, "f")


def manifest(**sizes):
    return Manifest({name: ManifestFile(size, "0" * 64) for name, size in sizes.items()})


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a": 1, "b": 2}, ""),
        ({"a": 1}, "'b', which manifest.json names, is not there"),
        ({"a": 1, "b": 1}, "'b' has 1 bytes, manifest.json says 2"),
        ({"a": 1, "b": 3}, "'b' has 3 bytes, manifest.json says 2"),
        ({"a": 1, "b": 2, "c": 0}, "'c' is there, but manifest.json does not name it"),
        ({}, "'a', which manifest.json names, is not there"),
    ],
)
def test_with_a_manifest_a_version_is_whole_once_just_its_files_are_there(files, reason):
    verdict = judge_manifest(seen(files), manifest(a=1, b=2))
    assert (verdict.reason, verdict.whole, verdict.due) == (reason, not reason, None)


@pytest.mark.parametrize(
    ("now", "since", "whole"),
    [
        (100.0, 100.0, False),
        (101.9, 100.0, False),
        (102.0, 102.0, True),  # first seen only now, but quiet long enough by its times
        (1000.0, 1000.0, True),
        (50.0, 50.0, False),  # its times lie in the future
        (51.9, 50.0, False),
        (52.0, 50.0, True),  # and do not hold it back for ever
    ],
)
def test_without_a_manifest_a_version_is_whole_after_a_quiet_period(now, since, whole):
    verdict = judge_quiet(seen(), now=now, since=since, quiet_period=QUIET)
    assert verdict.whole is whole
    if not whole:
        assert verdict.reason == "it changed less than 2 s ago"


@given(
    st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 3600),
)  # fmt: skip
def test_what_is_due_is_whole_then_and_never_later_than_a_quiet_period(newest, now, past, quiet):
    survey, since = seen(newest=newest), min(past, now)
    verdict = judge_quiet(survey, now=now, since=since, quiet_period=quiet)
    if not verdict.whole:
        assert now < verdict.due <= now + quiet
        assert judge_quiet(survey, now=verdict.due, since=since, quiet_period=quiet).whole


def test_a_name_that_says_unfinished_holds_a_version_back_however_old():
    verdict = judge_quiet(seen(unfinished="a.part"), now=1e9, since=0, quiet_period=QUIET)
    assert verdict.reason == "'a.part' is still being written, by its name"
    assert verdict.due is None


def test_a_version_without_files_is_not_whole_unless_it_needs_none():
    empty = seen({}, newest=0)
    assert judge_quiet(empty, now=9, since=0, quiet_period=1).reason == "it holds no files"
    assert judge_quiet(empty, now=9, since=9, quiet_period=1, may_be_empty=True).whole


def test_without_a_quiet_period_what_is_there_is_whole_at_once():
    assert judge_quiet(seen(), now=100, since=100, quiet_period=0).whole


def test_a_folder_is_seen_since_it_last_changed():
    before = Sight(seen(), 50.0, whole=False)
    assert first_seen(before, seen(), 60.0) == 50.0
    assert first_seen(before, seen(newest=101), 60.0) == 60.0
    assert first_seen(before, seen({"model.pt": 4}), 60.0) == 60.0
    assert first_seen(None, seen(), 60.0) == 60.0


def test_a_clock_that_is_set_back_does_not_prolong_the_wait():
    assert first_seen(Sight(seen(), 5000.0, whole=False), seen(), 60.0) == 60.0
