"""A version in an object store is whole by its manifest, or once nothing comes any more."""

from __future__ import annotations

import pytest

from server.repository.manifest import Manifest, ManifestFile
from server.repository.store_keys import StoredVersion, StoreObject
from server.repository.store_versions import judge

MANIFEST = Manifest({"m.onnx": ManifestFile(3, "0" * 64)})


def stored(*names: str, modified: float = 50.0, size: int = 3) -> StoredVersion:
    return StoredVersion({name: StoreObject(f"a/1/{name}", size, modified, "t") for name in names})


def look(version, before=None, manifest=None, *, now=100.0, first=False, empty=False):
    return judge(
        version, before, manifest,
        now=now, quiet_period=5.0, first_look=first, may_be_empty=empty,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("version", "manifest", "first", "reason", "due"),
    [
        (stored("m.onnx"), None, True, "", None),
        (stored("m.onnx", modified=98.0), None, True, "less than 5 s ago", 103.0),
        (stored("m.onnx", modified=500.0), None, True, "less than 5 s ago", 105.0),
        (stored("m.onnx"), None, False, "less than 5 s ago", 105.0),
        (stored("m.onnx"), MANIFEST, False, "", None),
        (stored("manifest.json"), MANIFEST, False, "is not there", None),
        (stored("m.onnx", size=2), MANIFEST, False, "has 2 bytes", None),
        (stored("m.onnx"), "manifest.json: not JSON", False, "not JSON", None),
        (stored(), None, True, "no files", None),
        (StoredVersion({}, refused="a bad key"), None, True, "a bad key", None),
        (StoredVersion({}, unfinished="x.part"), None, True, "still being written", None),
    ],
)
def test_a_version_is_judged(version, manifest, first, reason, due):
    _, verdict = look(version, manifest=manifest, first=first)
    assert reason in verdict.reason
    assert verdict.whole == (reason == "")
    assert verdict.due == due


def test_it_is_whole_once_the_listing_stays_the_same():
    sight, _ = look(stored("m.onnx"), now=100.0)
    sight, verdict = look(stored("m.onnx"), sight, now=104.0)
    assert verdict.due == 105.0
    sight, verdict = look(stored("m.onnx", "more"), sight, now=104.5)
    assert verdict.due == 109.5
    sight, verdict = look(stored("m.onnx", "more"), sight, now=109.5)
    assert verdict.whole


def test_what_was_whole_stays_so_while_nothing_changes():
    sight, _ = look(stored("m.onnx"), first=True)
    _, verdict = look(stored("m.onnx"), sight, now=0.0)
    assert verdict.whole
