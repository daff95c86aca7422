"""What the repositories will need is guessed from names, and never at the price of an error."""

from __future__ import annotations

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
        (["a/" + "9" * 100 + "/model.onnx"], {"onnx"}),
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


def test_a_glance_at_very_many_models_ends(tmp_path):
    for number in range(MOST_FOLDERS + 5):
        (tmp_path / f"m{number}/1").mkdir(parents=True)
        (tmp_path / f"m{number}/1/model.onnx").touch()
    assert runtimes_at_a_glance([tmp_path]) == {"onnx"}
