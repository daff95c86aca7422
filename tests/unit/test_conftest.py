"""A test that is run again finds what its module shares as new, and the others keep theirs."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]


def run(pytester: pytest.Pytester, tests: str, *flags: str) -> pytest.RunResult:
    """Run `tests` with what this project's conftest does."""
    pytester.makeconftest("from tests.conftest import *")
    pytester.makepyfile(tests)
    return pytester.runpytest_inprocess("-q", "-p", "no:asyncio", *flags)


SHARED = """
    import pytest

    made = []

    @pytest.fixture(scope="module")
    def shared():
        made.append([])
        return made[-1]
"""

SHARING = """
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
    ran = run(pytester, SHARED + SHARING, "--reruns", "1")

    ran.assert_outcomes(passed=3)
    assert "1 rerun" in ran.stdout.str()


IN_TEARDOWN = """
    @pytest.fixture
    def looked_at(shared):
        yield shared
        assert "mine" not in shared or len(made) == 2

    def test_what_is_found_afterwards(looked_at):
        looked_at.append("mine")

    def test_one_after_it(shared):
        assert len(made) == 2
"""


def test_the_same_holds_where_a_fixture_finds_fault_afterwards(pytester: pytest.Pytester) -> None:
    ran = run(pytester, SHARED + IN_TEARDOWN, "--reruns", "1")

    ran.assert_outcomes(passed=3)  # that of the first run is counted, which failed afterwards
    assert "1 rerun" in ran.stdout.str()


NOT_SET_UP = """
    import pytest

    @pytest.fixture(scope="module")
    def shared():
        with open("tries", "a") as file:
            file.write("1")
        raise OSError

    def test_one(shared): ...

    def test_another(shared): ...
"""


def test_what_cannot_be_set_up_is_tried_once(pytester: pytest.Pytester) -> None:
    ran = run(pytester, NOT_SET_UP)

    ran.assert_outcomes(errors=2)
    assert (pytester.path / "tries").read_text() == "1"
