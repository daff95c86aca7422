"""Reading settings only when their files have changed."""

import pytest

from server.repository import settings_cache
from server.repository.settings_cache import SettingsCache

LATER = 10**10
"""A time at which every file of a test has been quiet for long."""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path.resolve() / "m"
    folder.mkdir()
    return folder


@pytest.fixture
def reads(monkeypatch):
    """The names of the files read, in order."""
    names = []
    real = settings_cache.read_text

    def read_text(root, path):
        names.append(path.name)
        return real(root, path)

    monkeypatch.setattr(settings_cache, "read_text", read_text)
    return names


class Reader:
    def __init__(self, folder):
        self.cache = SettingsCache()
        self.folder = folder

    def __call__(self, now=LATER, settle=0.0):
        names = {path.name for path in self.folder.iterdir()}
        return self.cache.read(self.folder.parent, self.folder, names, now, settle)


def ctime(path):
    return path.stat().st_ctime_ns / 1e9


def test_unchanged_settings_are_read_once(folder, reads):
    (folder / "model.yaml").write_text("threads: 2")
    read = Reader(folder)
    first = read()
    assert first.settings.threads == 2
    assert read() is first
    assert reads == ["model.yaml"]


def test_changed_settings_are_read_again(folder):
    path = folder / "model.yaml"
    path.write_text("threads: 2")
    read = Reader(folder)
    first = read()
    path.write_text("threads: 16")
    second = read()
    assert second.settings.threads == 16
    assert second.fingerprint != first.fingerprint


def test_settings_read_just_after_a_change_are_not_yet_relied_upon(folder, reads):
    path = folder / "model.yaml"
    path.write_text("threads: 2")
    read = Reader(folder)
    assert read(now=ctime(path)) == read(now=ctime(path))
    assert len(reads) == 2


def test_the_same_content_gives_the_same_fingerprint(folder):
    (folder / "model.yaml").write_text("threads: 2")
    first = Reader(folder)()
    (folder / "model.yaml").unlink()
    (folder / "model.yaml").write_text("threads: 2")
    assert Reader(folder)().fingerprint == first.fingerprint


def test_settings_that_appear_and_vanish_are_noticed(folder):
    read = Reader(folder)
    assert read().settings.threads is None
    (folder / "model.yaml").write_text("threads: 2")
    assert read().settings.threads == 2
    (folder / "model.yaml").unlink()
    assert read().settings.threads is None


def test_a_changed_labels_file_changes_settings_and_fingerprint(folder):
    (folder / "model.yaml").write_text(
        "outputs: [{name: y, datatype: FP32, shape: [-1, 2], labels_file: l}]"
    )
    (folder / "l").write_text("cat\ndog\n")
    read = Reader(folder)
    first = read()
    assert first.settings.output_labels == {"y": ("cat", "dog")}
    (folder / "l").write_text("cat\nowl\n\n")
    second = read()
    assert second.settings.output_labels == {"y": ("cat", "owl", "")}
    assert second.fingerprint != first.fingerprint


def test_wrong_settings_are_read_again_until_they_are_right(folder):
    (folder / "model.yaml").write_text("threads: many")
    read = Reader(folder)
    assert "threads: expected an integer" in read().error
    (folder / "model.yaml").write_text("threads: 3")
    assert read().settings.threads == 3


def test_a_change_is_read_once_it_has_settled(folder):
    path = folder / "model.yaml"
    path.write_text("threads: 2")
    read = Reader(folder)
    first = read()
    path.write_text("")  # as an editor does before it writes
    held = read(now=ctime(path) + 0.1, settle=0.5)
    assert held.settings == first.settings
    assert held.due == ctime(path) + 0.5
    assert read(now=held.due, settle=0.5).settings.threads is None


def test_at_first_settings_are_read_at_once(folder):
    path = folder / "model.yaml"
    path.write_text("threads: 2")
    assert Reader(folder)(now=ctime(path), settle=0.5).settings.threads == 2


def test_models_that_are_gone_are_forgotten(folder, reads):
    (folder / "model.yaml").write_text("threads: 2")
    read = Reader(folder)
    read()
    read.cache.keep_only({folder})
    read()
    assert len(reads) == 1
    read.cache.keep_only(set())
    read()
    assert len(reads) == 2
