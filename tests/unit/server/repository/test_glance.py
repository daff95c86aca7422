"""What the repositories will need is guessed from names, and never at the price of an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.repository.glance import MOST_FOLDERS, runtimes_at_a_glance
from server.repository.store_url import parse_location


@pytest.mark.parametrize(
    ("files", "runtimes"),
    [
        ([], set()),
        (["a/1/model.onnx"], {"onnx"}),
        (["a/1/model.onnx", "b/2/model.pt"], {"onnx", "torchscript"}),
        (["a/1/saved_model.pb"], {"savedmodel"}),
        (["a/1/model.savedmodel/saved_model.pb"], {"savedmodel"}),
        (["a/9/model.pt", "a/10/model.onnx"], {"onnx"}),
        (["a/latest/model.onnx", "model.onnx", "a/model.onnx"], set()),
        (["a/" + "9" * 100 + "/model.onnx", "a/01/model.pt"], set()),
    ],
)
def test_the_newest_versions_say_what_will_be_needed(tmp_path, files, runtimes):
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert runtimes_at_a_glance([tmp_path]) == runtimes


def test_what_cannot_be_looked_at_is_left_out(tmp_path):
    (tmp_path / "file").touch()
    store = parse_location("s3://bucket/models")
    assert runtimes_at_a_glance([tmp_path / "none", tmp_path / "file", store]) == set()


def test_a_model_that_says_its_runtime_itself_is_not_guessed_at(tmp_path):
    (tmp_path / "a/1").mkdir(parents=True)
    (tmp_path / "a/1/model.pt").touch()
    (tmp_path / "a/model.yaml").write_text("max_batch_size: 8\n")
    assert runtimes_at_a_glance([tmp_path]) == {"torchscript"}
    (tmp_path / "a/model.yaml").write_text("runtime: echo\n")
    assert runtimes_at_a_glance([tmp_path]) == set()


def test_a_folder_that_cannot_be_entered_hides_no_other(tmp_path, monkeypatch):
    for name in ("a", "locked"):
        (tmp_path / name / "1").mkdir(parents=True)
    (tmp_path / "a/1/model.onnx").touch()
    exists = Path.exists

    def refused(path):
        if "locked" in path.parts and path.name == "model.onnx":
            raise PermissionError(13, "Permission denied")
        return exists(path)

    monkeypatch.setattr(Path, "exists", refused)
    assert runtimes_at_a_glance([tmp_path]) == {"onnx"}


def test_a_glance_at_very_many_models_ends(tmp_path):
    for number in range(MOST_FOLDERS + 5):
        (tmp_path / f"m{number}/1").mkdir(parents=True)
        (tmp_path / f"m{number}/1/model.onnx").touch()
    assert runtimes_at_a_glance([tmp_path]) == {"onnx"}
