"""The marker of a demo repository: written whole, read with suspicion."""

import json

import pytest

from server.demo import manifest as manifests
from server.demo.manifest import MARKER, FileRecord, Manifest

GOOD = {"fingerprint": "f", "complete": True, "files": {"a": {"size": 1, "sha256": "x"}}}


def test_what_is_written_is_read_back(tmp_path):
    manifest = Manifest("f", True, {"a/1/m": FileRecord(3, "abc")}, {"accuracy": {"digits": 0.99}})
    manifests.write(tmp_path, manifest)
    found = manifests.read(tmp_path)
    assert found is not None
    assert (found.fingerprint, found.complete, found.files) == ("f", True, manifest.files)
    assert found.facts["accuracy"] == {"digits": 0.99}
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "null",
        "[" * 100_000,
        json.dumps({**GOOD, "files": []}),
        json.dumps({**GOOD, "files": {"a": 1}}),
        json.dumps({**GOOD, "files": {"a": {"size": "many", "sha256": "x"}}}),
        *(json.dumps({k: v for k, v in GOOD.items() if k != missing}) for missing in GOOD),
    ],
)
def test_what_is_no_marker_counts_as_none(tmp_path, text):
    (tmp_path / MARKER).write_text(text)
    assert manifests.read(tmp_path) is None


def test_a_marker_that_is_not_utf8_counts_as_none(tmp_path):
    (tmp_path / MARKER).write_bytes(b'{"fingerprint": "\xff"}')
    assert manifests.read(tmp_path) is None


@pytest.mark.parametrize("complete", ["yes", 1, None, False])
def test_only_true_is_complete(tmp_path, complete):
    (tmp_path / MARKER).write_text(json.dumps({**GOOD, "complete": complete}))
    found = manifests.read(tmp_path)
    assert found is not None
    assert not found.complete


def test_files_are_recorded_with_size_and_hash(tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "model").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert manifests.record_files(tmp_path) == {"m/1/model": FileRecord(3, digest)}
