"""What a model config and the settings beside the versions say becomes one, or is refused."""

from __future__ import annotations

import pytest

from server.repository.errors import RepositoryError
from server.repository.served import ServedModel, settings_of
from server.repository.settings import ModelSettings, VersionPolicy

ALL = VersionPolicy(None)
ORIGIN = ServedModel("a", "/a").origin


@pytest.mark.parametrize(
    ("entry", "beside", "expected"),
    [
        ({}, {}, {}),
        ({"platform": "onnx"}, {}, {"runtime": "onnx"}),
        ({}, {"runtime": "onnx"}, {"runtime": "onnx"}),
        ({"platform": "onnx"}, {"runtime": "onnx"}, {"runtime": "onnx"}),
        ({"policy": ALL}, {}, {"version_policy": ALL}),
        ({}, {"version_policy": ALL}, {"version_policy": ALL}),
        ({"policy": ALL}, {"version_policy": ALL}, {"version_policy": ALL}),
        ({"labels": {"s": 1}}, {}, {"labels": {"s": 1}}),
        ({}, {"labels": {"s": 1}}, {"labels": {"s": 1}}),
    ],
)
def test_what_one_of_them_says_holds(entry, beside, expected):
    found = settings_of(ServedModel("a", "/a", **entry), ModelSettings("a", **beside, workers=3))

    assert found == ModelSettings("a", **expected, workers=3, origin=ORIGIN)


@pytest.mark.parametrize(
    ("entry", "beside", "words"),
    [
        ({"platform": "onnx"}, {"runtime": "echo"}, "runtime ('onnx' and 'echo')"),
        ({"policy": ALL}, {"version_policy": VersionPolicy(2)}, "the version policy"),
        ({"labels": {"s": 1}}, {"labels": {"s": 2}}, "labels"),
    ],
)
def test_where_they_contradict_each_other_both_are_refused(entry, beside, words):
    with pytest.raises(RepositoryError) as error:
        settings_of(ServedModel("a", "/a", **entry), ModelSettings("a", **beside))

    assert words in error.value.reason
    assert "/a" not in error.value.reason


def test_the_same_model_elsewhere_has_another_origin_and_tells_no_path():
    here, there = ServedModel("a", "/srv/secret"), ServedModel("a", "/srv/other")

    assert here.origin != there.origin
    assert "secret" not in here.origin
    assert ServedModel("b", "/srv/secret", policy=ALL).origin == here.origin
