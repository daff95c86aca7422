"""A test that is run again finds what its module shares as new, and the others keep theirs."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SHARING = """
    import pytest

    made = []

    @pytest.fixture(scope="module")
    def shared():
        made.append([])
        return made[-1]

    def test_one_leaves_its_mark(shared):
        shared.append("first")

    def test_one_fails_on_what_it_left_itself(shared):
        assert "mine" not in shared
        shared.append("mine")
        assert len(made) == 2

    def test_one_after_it_has_no_third(shared):
        assert len(made) == 2
"""


def test_a_second_run_finds_what_is_shared_made_anew(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from tests.conftest import *")
    pytester.makepyfile(SHARING)

    ran = pytester.runpytest_inprocess("-q", "--reruns", "1", "-p", "no:asyncio")

    ran.assert_outcomes(passed=3)
    assert "1 rerun" in ran.stdout.str()
