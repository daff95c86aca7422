"""Comparing a version's files with the hashes of its manifest."""

import hashlib

import pytest

from server.repository.manifest import Manifest, ManifestFile, render
from server.repository.verify import verify


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path.resolve() / "models" / "m" / "1"
    (folder / "variables").mkdir(parents=True)
    contents = {"saved_model.pb": b"graph", "variables/data": b"weights" * 1000}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    listed = {
        name: ManifestFile(len(content), hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    }
    (folder / "manifest.json").write_text(render(Manifest(listed)))
    return folder


def check(folder, **extra):
    return verify(folder.parent.parent, folder, **extra)


def test_a_version_as_published_is_verified(folder):
    assert check(folder) == ""


def test_a_version_without_a_manifest_has_nothing_to_verify(folder):
    (folder / "manifest.json").unlink()
    assert check(folder) == ""


def test_a_file_of_the_right_size_and_the_wrong_content_is_found(folder):
    data = folder / "variables/data"
    data.write_bytes(data.read_bytes()[:-1] + b"\0")
    assert check(folder) == (
        "the content of 'variables/data' does not have the SHA-256 of manifest.json"
    )


def test_a_torn_file_is_found(folder):
    (folder / "variables/data").write_bytes(b"wei")
    assert check(folder) == "'variables/data' has 3 bytes, manifest.json says 7000"


def test_a_torn_manifest_is_found(folder):
    (folder / "manifest.json").write_text('{"files": {')
    assert "not all of it is there yet" in check(folder)


def test_a_version_that_went_away_is_told_without_its_path(folder):
    reason = verify(folder.parent.parent, folder.parent / "2")
    assert reason == "m/2 does not exist or cannot be opened"


def test_a_file_linked_out_of_the_repository_is_not_read(folder):
    content = (folder / "saved_model.pb").read_bytes()
    outside = folder.parent.parent.parent / "outside"
    outside.write_bytes(content)
    (folder / "saved_model.pb").unlink()
    (folder / "saved_model.pb").symlink_to(outside)
    assert check(folder) != ""


def test_verifying_ends_once_it_is_no_longer_wanted(folder):
    assert check(folder, cancelled=lambda: True) == "no longer wanted"
