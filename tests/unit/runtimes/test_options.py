"""Options are known by name, and have the type and the values they may have."""

from __future__ import annotations

import pytest

from runtimes.contract.messages import ModelSpec
from runtimes.options import Options
from runtimes.runtime import LoadError


def _options(**given):
    return Options(ModelSpec("m", 1, "onnx", "/a", options=given), ["one", "two"])


def test_an_unknown_option_is_refused_with_the_known_ones():
    with pytest.raises(LoadError, match="unknown option 'three' for runtime 'onnx'; known are one"):
        _options(three=1)


@pytest.mark.parametrize(
    ("value", "flag"),
    [(True, True), (False, False), ("true", True), ("OFF", False), ("1", True), (0, False)],
)
def test_a_flag_may_be_text(value, flag):
    assert _options(one=value).flag("one") is flag


@pytest.mark.parametrize(("value", "number"), [(7, 7), ("7", 7), (2, 2)])
def test_an_integer_may_be_text(value, number):
    assert _options(one=value).integer("one", minimum=2) == number


@pytest.mark.parametrize("value", [1, "1", "x", True, 2.5, "-3", ""])
def test_another_integer_is_refused(value):
    with pytest.raises(LoadError, match=r"option 'one' is .* whole number of at least 2"):
        _options(one=value).integer("one", minimum=2)


@pytest.mark.parametrize("value", ["perhaps", "", 2, 0.5])
def test_another_flag_is_refused(value):
    with pytest.raises(LoadError, match="expected true or false"):
        _options(one=value).flag("one")


@pytest.mark.parametrize("value", ["c", 1, True])
def test_a_text_that_is_no_choice_is_refused(value):
    with pytest.raises(LoadError, match="expected one of a, b"):
        _options(one=value).text("one", ("a", "b"))


def test_an_option_that_is_not_given_is_none():
    options = _options()
    assert options.flag("one") is None
    assert options.integer("one", 0) is None
    assert options.text("one") is None
    assert options.value("one") is None
