"""Readiness needs every required model, or else any one; nothing that is loaded beside takes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.readiness import Standing, is_ready


def models(**answers: str) -> list[Standing]:
    """`a="required, answers"`."""
    return [Standing(name, "required" in words, "answers" in words) for name, words in
            answers.items()]  # fmt: skip


@pytest.mark.parametrize(
    ("standings", "named", "started", "ready"),
    [
        (models(), (), True, True),
        (models(), (), False, False),
        (models(a="answers", b=""), (), True, True),
        (models(a="answers"), (), False, False),
        (models(a="", b=""), (), True, False),
        (models(a="answers", b=""), ("a",), True, True),
        (models(a="answers", b=""), ("b",), True, False),
        (models(a="answers"), ("a", "b"), True, False),
        (models(), ("a",), True, False),
        (models(a="required, answers", b=""), (), True, True),
        (models(a="required", b="answers"), (), True, False),
        (models(a="answers", b="required"), ("a",), True, False),
    ],
)
def test_the_table(standings, named, started, ready):
    assert is_ready(standings, named, started) is ready


def test_named_models_need_not_wait_for_the_others_to_load():
    assert is_ready(models(a="answers", slow=""), ("a",), started=False)


def test_models_known_to_be_required_by_their_settings_do_wait_for_more_may_come():
    assert not is_ready(models(a="required, answers"), (), started=False)


STANDINGS = st.lists(
    st.builds(Standing, st.sampled_from("abcd"), st.booleans(), st.booleans()),
    unique_by=lambda one: one.name,
)


@given(STANDINGS, st.sets(st.sampled_from("abcd")), st.booleans())
def test_one_more_model_that_is_not_required_never_takes_readiness_away(standings, named, answers):
    was = is_ready(standings, named, started=True)

    more = [*standings, Standing("extra", required=False, answers=answers)]

    if was and (standings or answers):  # the first model of all has to answer
        assert is_ready(more, named, started=True)
