"""The demo builder replaces only what is its own, and never leaves half of it unmarked."""

import os
from pathlib import Path

import pytest

from server.demo import manifest as manifests
from server.demo import publish
from server.demo.errors import DemoError
from server.demo.manifest import Manifest
from server.demo.naming import MODELS
from server.demo.publish import State

OLD, NEW = "old builder", "new builder"


def put(directory, fingerprint, content):
    """A build in small: one file per model."""
    with publish.staging(directory) as stage:
        for model in MODELS:
            (stage / model / "1").mkdir(parents=True)
            (stage / model / "1" / "artifact").write_text(content)
        manifest = Manifest(fingerprint, True, manifests.record_files(stage), {"accuracy": 1})
        publish.publish(stage, directory, manifest)


def contents(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_text()
        for path in directory.rglob("*")
        if path.is_file() and path.name != manifests.MARKER
    }


def models_holding(content):
    return {f"{model}/1/artifact": content for model in MODELS}


@pytest.fixture(params=["absent", "absent with absent parents", "empty"])
def fresh(request, tmp_path):
    if request.param == "absent with absent parents":
        return tmp_path / "some" / "where"
    target = tmp_path / "target"
    if request.param == "empty":
        target.mkdir()
    return target


def test_a_fresh_directory_is_filled(fresh):
    assert publish.inspect(fresh, NEW) is State.FRESH
    put(fresh, NEW, "new")
    assert contents(fresh) == models_holding("new")
    assert publish.inspect(fresh, NEW) is State.COMPLETE


def test_others_may_read_what_was_published(fresh):
    put(fresh, NEW, "new")
    allowed = 0o777 & ~_umask()
    assert fresh.stat().st_mode & 0o777 == allowed


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def fail_halfway(directory):
    with publish.staging(directory) as stage:
        (stage / "half").write_text("built")
        raise RuntimeError


def test_a_failure_while_building_leaves_nothing(fresh, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RuntimeError):
        fail_halfway(fresh)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_earlier_builders_models_are_replaced_and_others_kept(tmp_path):
    put(tmp_path, OLD, "old")
    (tmp_path / "mine" / "1").mkdir(parents=True)
    (tmp_path / "mine" / "1" / "model.onnx").write_text("mine")
    (tmp_path / "digits-onnx" / "2").mkdir()
    (tmp_path / "digits-onnx" / "2" / "model.onnx").write_text("retrained")
    assert publish.inspect(tmp_path, NEW) is State.OUTDATED
    put(tmp_path, NEW, "new")
    assert contents(tmp_path) == models_holding("new") | {
        "mine/1/model.onnx": "mine",
        "digits-onnx/2/model.onnx": "retrained",
    }
    assert publish.inspect(tmp_path, NEW) is State.COMPLETE


def test_an_unknown_file_among_ours_is_refused_by_name(tmp_path):
    put(tmp_path, OLD, "old")
    (tmp_path / "language" / "1" / "notes.txt").write_text("mine")
    with pytest.raises(DemoError, match=r"language/1/notes\.txt"):
        publish.inspect(tmp_path, NEW)
    with pytest.raises(DemoError, match=r"language/1/notes\.txt"):
        put(tmp_path, NEW, "new")
    assert contents(tmp_path) == models_holding("old") | {"language/1/notes.txt": "mine"}


def test_a_foreign_directory_is_refused(tmp_path):
    (tmp_path / "digits-onnx" / "1").mkdir(parents=True)
    with pytest.raises(DemoError, match="not empty"):
        publish.inspect(tmp_path, NEW)


def test_a_file_is_refused(tmp_path):
    target = tmp_path / "target"
    target.write_text("")
    with pytest.raises(DemoError, match="is a file"):
        publish.inspect(target, NEW)


def test_a_directory_filled_meanwhile_is_left_alone(tmp_path):
    target = tmp_path / "target"
    with publish.staging(target) as stage:
        for model in MODELS:
            (stage / model / "1").mkdir(parents=True)
        target.mkdir()
        (target / "digits-onnx" / "1").mkdir(parents=True)
        (target / "digits-onnx" / "1" / "model.onnx").write_text("theirs")
        with pytest.raises(DemoError, match=r"digits-onnx/1/model\.onnx"):
            publish.publish(stage, target, Manifest(NEW, True, {}, {}))
    assert contents(target) == {"digits-onnx/1/model.onnx": "theirs"}


@pytest.mark.parametrize("stop_after", range(8))
def test_a_replacement_cut_short_is_taken_up_by_the_next(tmp_path, monkeypatch, stop_after):
    put(tmp_path, OLD, "old")
    left = [stop_after]
    rename = Path.rename

    def failing(self, target):
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", failing)
        with pytest.raises(KeyboardInterrupt):
            put(tmp_path, NEW, "new")
    assert publish.inspect(tmp_path, NEW) is State.OUTDATED
    assert set(contents(tmp_path).values()) <= {"old", "new"}
    put(tmp_path, NEW, "new")
    assert contents(tmp_path) == models_holding("new")
    assert publish.inspect(tmp_path, NEW) is State.COMPLETE


def test_what_a_killed_build_left_does_not_make_a_directory_foreign(tmp_path):
    (tmp_path / ".underway-demo-0123456789ab.tmp").mkdir()
    assert publish.inspect(tmp_path, NEW) is State.FRESH


@pytest.mark.parametrize("damage", ["missing", "shorter"])
def test_a_damaged_repository_is_not_complete(tmp_path, damage):
    put(tmp_path, NEW, "new")
    artifact = tmp_path / "digits-onnx" / "1" / "artifact"
    if damage == "missing":
        artifact.unlink()
    else:
        artifact.write_text("n")
    assert publish.inspect(tmp_path, NEW) is State.OUTDATED
