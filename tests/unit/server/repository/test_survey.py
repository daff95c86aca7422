"""Walking a version folder by stat."""

import os

import pytest

from server.repository import files
from server.repository.errors import RepositoryError
from server.repository.survey import is_unfinished, survey


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path.resolve() / "m" / "1"
    folder.mkdir(parents=True)
    return folder


def put(folder, name, content=b"x"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def look(folder):
    return survey(folder.parent.parent, folder)


def test_files_are_found_however_deep_with_their_sizes(folder):
    put(folder, "saved_model.pb", b"12")
    put(folder, "variables/a/b", b"123")
    found = look(folder)
    assert found.files == {"saved_model.pb": 2, "variables/a/b": 3}
    assert found.size == 5
    assert not found.has_manifest


def test_hidden_files_and_the_manifest_are_left_out(folder):
    put(folder, "model.pt")
    before = look(folder)
    put(folder, ".DS_Store")
    put(folder, ".git/config")
    put(folder, "manifest.json")
    found = look(folder)
    assert found.files == before.files
    assert found.fingerprint == before.fingerprint
    assert found.has_manifest


def test_a_manifest_further_down_is_a_file_like_any_other(folder):
    put(folder, "assets/manifest.json")
    assert look(folder).files == {"assets/manifest.json": 1}


def test_newest_is_the_latest_ctime_whatever_mtime_says(folder):
    path = put(folder, "model.pt")
    os.utime(path, ns=(0, 0))
    assert look(folder).newest == path.stat().st_ctime_ns > 0


def test_renaming_the_version_folder_leaves_newest_alone(folder):
    put(folder, "assets/x")
    before = look(folder)
    renamed = folder.rename(folder.with_name("2"))
    assert look(renamed) == before


def test_an_empty_sub_folder_counts_as_a_change(folder):
    put(folder, "model.pt")
    (folder / "variables").mkdir()
    assert look(folder).newest >= (folder / "variables").stat().st_ctime_ns


@pytest.mark.parametrize("change", ["size", "mtime", "name", "more"])
def test_a_change_in_place_changes_the_fingerprint(folder, change):
    path = put(folder, "model.pt")
    before = look(folder).fingerprint
    if change == "size":
        facts = path.stat()
        path.write_bytes(b"xx")
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    elif change == "mtime":
        os.utime(path, ns=(1, 1))
    elif change == "name":
        path.rename(folder / "model.pth")
    else:
        put(folder, "another")
    assert look(folder).fingerprint != before


def test_mode_and_link_count_do_not_change_the_fingerprint(folder):
    path = put(folder, "model.pt")
    before = look(folder).fingerprint
    path.chmod(0o600)
    os.link(path, folder.parent / "backup")
    assert look(folder).fingerprint == before


@pytest.mark.parametrize(
    "name",
    [
        "model.onnx.tmp", "a.part", "a.PARTIAL", "a.crdownload", "a.temp", "a.filepart",
        ".model.onnx.aB3dE9", ".~tmp~", ".syncthing.model.tmp", ".goutputstream-AB12CD",
    ],
)  # fmt: skip
def test_the_names_of_what_tools_are_writing_are_known(folder, name):
    assert is_unfinished(name)
    put(folder, f"assets/{name}")
    assert look(folder).unfinished == f"assets/{name}"


@pytest.mark.parametrize("name", ["model.onnx", ".DS_Store", ".gitkeep", "tmp", "part", "a.parts"])
def test_other_names_are_not_taken_for_unfinished(name):
    assert not is_unfinished(name)


def test_links_inside_the_repository_are_followed(folder):
    put(folder.parent.parent, "blobs/abc", b"12345")
    (folder / "model.onnx").symlink_to("../../blobs/abc")
    (folder / "assets").symlink_to("../../blobs")
    assert look(folder).files == {"model.onnx": 5, "assets/abc": 5}


def test_what_a_link_points_to_counts_as_a_change_too(folder):
    (folder / "model.onnx").symlink_to("../../blob")
    blob = put(folder.parent.parent, "blob")
    blob.chmod(0o600)
    os.utime(blob, ns=(1, 1))
    assert look(folder).newest == blob.stat().st_ctime_ns


def test_a_link_out_of_the_repository_is_not_looked_through(folder):
    (folder / "model.onnx").symlink_to("/etc/hostname")
    (folder / "etc").symlink_to("/etc")
    assert set(look(folder).files) == {"model.onnx", "etc"}
    assert look(folder).files["model.onnx"] == len("/etc/hostname")


def test_a_link_that_leads_nowhere_yet_is_refused(folder):
    (folder / "model.onnx").symlink_to("../2/model.onnx")
    with pytest.raises(RepositoryError, match=r"m/1/model\.onnx does not exist"):
        look(folder)


def test_folders_linked_in_a_circle_end(folder):
    put(folder, "a/x")
    (folder / "a/again").symlink_to("../../1")
    assert look(folder).files == {"a/x": 1}


def test_very_many_entries_are_refused(folder, monkeypatch):
    monkeypatch.setattr(files, "MAX_ENTRIES", 3)
    for name in ("a/1", "a/2", "b/1"):
        put(folder, name)
    with pytest.raises(RepositoryError, match="m/1 has more than 3 entries"):
        look(folder)
