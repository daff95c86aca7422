"""A base path that holds an artifact and no numbered folder is version 1."""

from __future__ import annotations

import pytest

from server.repository.bare import bare_artifacts
from server.repository.errors import RepositoryError
from server.repository.local import ScanMemory, is_unchanged, locate, scan
from server.repository.served import ServedModel


@pytest.mark.parametrize(
    ("names", "configured", "expected"),
    [
        ({"model.onnx", "model.yaml"}, "", ("model.onnx",)),
        ({"saved_model.pb", "variables"}, "", ("saved_model.pb",)),
        ({"model.savedmodel"}, "", ("model.savedmodel",)),
        ({"model.pt", "extra.pt"}, "", ("model.pt",)),
        ({"resnet50-v2.onnx", "README.md"}, "", ("resnet50-v2.onnx",)),
        ({"Net.PT"}, "", ("Net.PT",)),
        ({"a.onnx", "b.pt"}, "", ("a.onnx", "b.pt")),
        ({"model.onnx", "other.bin"}, "other.bin", ("other.bin",)),
        ({"model.onnx"}, "missing.onnx", ()),
        ({".hidden.onnx", "weights.bin"}, "", ()),
        (set(), "", ()),
    ],
)
def test_what_may_be_the_artifact(names, configured, expected):
    assert bare_artifacts(names, configured) == expected


def look(folder, memory=None, **more):
    served = ServedModel("m", str(folder))
    return scan([], served=[served], memory=memory, **more).models["m"]


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.mark.parametrize(
    ("files", "runtime", "opened"),
    [
        (["model.onnx"], "onnx", "model.onnx"),
        (["resnet.onnx"], "onnx", "resnet.onnx"),
        (["model.pt"], "torchscript", "model.pt"),
        (["saved_model.pb", "variables/variables.index"], "savedmodel", "."),
        (["model.savedmodel/saved_model.pb"], "savedmodel", "model.savedmodel"),
    ],
)
def test_it_is_version_1(tmp_path, files, runtime, opened):
    put(tmp_path, *files)

    entry = look(tmp_path)

    artifact = locate(entry, 1)
    assert entry.versions == (1,)
    assert entry.ignored == ()
    assert (artifact.runtime, artifact.path) == (runtime, (tmp_path / opened).resolve())


def test_numbered_folders_win(tmp_path):
    put(tmp_path, "model.onnx", "3/model.onnx")

    entry = look(tmp_path)

    assert entry.versions == (3,)
    assert locate(entry, 3).path == (tmp_path / "3/model.onnx").resolve()


def test_two_artifacts_are_refused_with_both_names(tmp_path):
    put(tmp_path, "model.onnx", "model.pt")

    with pytest.raises(RepositoryError) as refused:
        locate(look(tmp_path), 1)

    assert (
        "the base path holds model.onnx (onnx) and model.pt (torchscript)" in refused.value.reason
    )


def test_the_settings_beside_it_hold(tmp_path):
    put(tmp_path, "a.onnx", "b.onnx")
    (tmp_path / "model.yaml").write_text("artifact: b.onnx\n")

    assert locate(look(tmp_path), 1).path.name == "b.onnx"


def test_it_is_served_once_it_is_quiet_and_its_sight_is_kept(tmp_path):
    put(tmp_path, "model.onnx")
    now = (tmp_path / "model.onnx").stat().st_ctime
    memory = ScanMemory()

    early = look(tmp_path, memory, now=now + 1, quiet_period=2)
    later = look(tmp_path, memory, now=now + 3, quiet_period=2)
    touched = look(tmp_path, memory, now=now + 3.5, quiet_period=60)

    assert (early.versions, early.incomplete) == ((), {1: "it changed less than 2 s ago"})
    assert later.versions == touched.versions == (1,)


def test_a_change_in_place_is_seen(tmp_path):
    put(tmp_path, "model.onnx")
    entry = look(tmp_path)
    unchanged = is_unchanged(entry, 1)

    (tmp_path / "model.onnx").write_bytes(b"longer")

    assert (unchanged, is_unchanged(entry, 1)) == (True, False)


def test_a_model_in_a_repository_still_needs_numbers(tmp_path):
    put(tmp_path, "m/model.onnx")

    assert scan([tmp_path]).models["m"].versions == ()
