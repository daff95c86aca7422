"""The manifest.json of a version."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.repository.errors import RepositoryError
from server.repository.manifest import Manifest, ManifestFile, parse, render

HASH = "0" * 64
NAMES = st.from_regex(r"\A[a-zA-Z0-9_-][a-zA-Z0-9_. -]{0,9}(/[a-z][a-z.]{0,5}){0,3}\Z")


@given(st.dictionaries(NAMES, st.integers(0, 2**53), min_size=1, max_size=5), st.text(max_size=9))
def test_what_is_rendered_is_read_back(sizes, created):
    manifest = Manifest({name: ManifestFile(size, HASH) for name, size in sizes.items()}, created)
    assert parse(render(manifest)) == manifest


def files(**facts):
    return {"files": facts}


GOOD = {"size": 1, "sha256": HASH}


def named(name):
    return {"files": {name: GOOD}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "expected {"),
        ({}, "expected {"),
        ({"files": []}, "expected {"),
        ({"files": {}}, "expected {"),
        (files(a=1), "'a': expected its size"),
        (files(a={**GOOD, "size": -1}), "'a': expected its size"),
        (files(a={**GOOD, "size": True}), "'a': expected its size"),
        (files(a={**GOOD, "size": 1.0}), "'a': expected its size"),
        (files(a={**GOOD, "size": 2**70}), "'a': expected its size"),
        (files(a={"size": 1}), "'a': expected 64 hexadecimal"),
        (files(a={**GOOD, "sha256": "A" * 64}), "'a': expected 64 hexadecimal"),
        (files(a={**GOOD, "sha256": HASH + "\n"}), "'a': expected 64 hexadecimal"),
        (named("../a"), "'../a': expected a relative name"),
        (named("a/../../b"), "expected a relative name"),
        (named("/etc/passwd"), "expected a relative name"),
        (named("a//b"), "expected a relative name"),
        (named("a/"), "expected a relative name"),
        (named("a\0b"), "expected a relative name"),
        (named(".hidden"), "expected a relative name"),
        (named("a/.hidden"), "expected a relative name"),
        (named(""), "expected a relative name"),
        (named("a" * 300), "expected a relative name"),
        (named("manifest.json"), "it names itself"),
        ({"files": {str(n): GOOD for n in range(10_001)}}, "10001 files, expected at most 10000"),
    ],
)
def test_a_wrong_manifest_is_refused_with_what_is_wrong(content, reason):
    with pytest.raises(RepositoryError, match=r"^manifest\.json: ") as caught:
        parse(json.dumps(content))
    assert reason in caught.value.reason


@pytest.mark.parametrize("text", ["", "{", '{"files": {"a"', "[" * 100_000, "\x00"])
def test_a_torn_manifest_is_refused(text):
    with pytest.raises(RepositoryError, match="not JSON, or not all of it is there yet"):
        parse(text)
