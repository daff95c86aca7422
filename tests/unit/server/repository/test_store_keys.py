"""Keys of an object store become models, versions and files, and never a path outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.repository.store_keys import StoreObject, arrange, key_problem

DIGIT = "digit"


def objects(*keys: str, size: int = 3) -> list[StoreObject]:
    return [StoreObject(key, size, 1.0, "t") for key in keys]


def test_keys_are_sorted_by_model_and_version():
    found = arrange(objects("a/model.yaml", "a/1/model.onnx", "a/1/sub/w.bin", "a/2/m.pt", "b/7/x"))
    assert sorted(found.models) == ["a", "b"]
    assert sorted(found.models["a"].small) == ["model.yaml"]
    assert {n: sorted(v.files) for n, v in found.models["a"].versions.items()} == {
        1: ["model.onnx", "sub/w.bin"], 2: ["m.pt"],
    }  # fmt: skip
    assert found.ignored == ()


def test_samples_come_with_the_settings():
    found = arrange(objects("a/golden/one.npz", "a/warmup/two.json", "a/golden/.hidden", "a/1/m"))
    assert sorted(found.models["a"].small) == ["golden/one.npz", "warmup/two.json"]


def test_a_golden_sample_that_is_too_large_refuses_the_model():
    found = arrange(objects("a/golden/one.npz", size=17 << 20))
    assert "golden/one.npz' is larger than" in found.models["a"].refused


def test_a_large_file_beside_the_settings_is_passed_over():
    found = arrange(objects("a/notes.txt", size=17 << 20))
    assert found.models["a"].refused == ""
    assert found.models["a"].small == {}
    assert found.models["a"].ignored


def test_what_is_no_model_is_passed_over_and_said():
    found = arrange(objects("README.md", "-x/1/m", "../1/m", "/etc/1/m", ".git/1/m"))
    assert found.models == {}
    assert len(found.ignored) == 3  # hidden names are not even said


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("model.onnx", ""),
        ("a b/ü.bin", ""),
        ("..", "empty part"),
        ("a/../../b", "empty part"),
        ("/etc/passwd", "empty part"),
        ("a//b", "empty part"),
        ("a\\..\\b", "backslash"),
        ("a\0b", "backslash"),
        ("a\nb", "backslash"),
        ("\ud800", "backslash"),
        ("x" * 251, "longer"),
        ("x/" * 40 + "x", "deep"),
        ("x/" * 600, "long"),
    ],
)
def test_a_key_that_is_no_path_is_told(name, problem):
    found = key_problem(name)
    assert problem in found
    assert bool(problem) == bool(found)


@pytest.mark.parametrize("key", ["a/1/../../x", "a/1//etc/passwd", "a/1/b\\c", "a/1/x//y"])
def test_a_version_with_such_a_key_is_refused(key):
    version = arrange(objects("a/1/model.onnx", key)).models["a"].versions[1]
    assert "is no file's name" in version.refused
    assert sorted(version.files) == ["model.onnx"]


def test_a_name_that_is_a_file_and_a_folder_is_refused():
    version = arrange(objects("a/1/x", "a/1/x/y")).models["a"].versions[1]
    assert "both a file and a folder" in version.refused


def test_what_is_still_written_by_its_name_is_told():
    version = arrange(objects("a/1/x.part")).models["a"].versions[1]
    assert version.survey().unfinished == "x.part"


def test_a_fingerprint_changes_with_content_size_and_name():
    marks = {
        arrange([StoreObject(key, size, 1.0, tag)]).models["a"].versions[1].fingerprint
        for key, size, tag in [
            ("a/1/x", 3, "t"), ("a/1/y", 3, "t"), ("a/1/x", 4, "t"), ("a/1/x", 3, "u"),
        ]
    }  # fmt: skip
    assert len(marks) == 4


KEYS = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.lists(
            st.sampled_from(["a", "1", "..", ".", "", "\\", "golden", "model.yaml", "x\0", "/"]),
            max_size=6,
        ).map("/".join),
        st.text(max_size=20).map(lambda text: f"a/1/{text}"),
        st.text(max_size=20).map(lambda text: f"a/golden/{text}"),
    ),
    max_size=12,
)


@given(KEYS)
def test_no_key_ever_leads_outside_its_model(keys):
    found = arrange(objects(*keys))
    root = Path("/cache")
    for name, model in found.models.items():
        folder = root / name
        names = [*model.small, *(f"{n}/{f}" for n, v in model.versions.items() for f in v.files)]
        for one in names:
            path = folder / one
            assert ".." not in path.parts
            assert path.is_relative_to(folder)
            assert path != folder
            assert "\0" not in str(path)
