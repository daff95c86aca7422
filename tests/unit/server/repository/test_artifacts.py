"""Recognising the artifact of a version folder, and refusing what leads out of the repository."""

import os

import pytest

from server.repository.artifacts import RUNTIMES, find_artifact
from server.repository.errors import RepositoryError
from server.repository.model_file import ModelFile
from server.repository.settings import ModelSettings


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "models"
    (root / "m" / "1").mkdir(parents=True)
    return root


def put(root, *names, content=b"x"):
    for name in names:
        path = root / "m" / "1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def find(root, **settings):
    return find_artifact(root, root / "m" / "1", ModelSettings(name="m", **settings))


def refusal(root, **settings):
    with pytest.raises(RepositoryError) as caught:
        find(root, **settings)
    assert str(root) not in caught.value.reason
    assert str(root.parent) not in caught.value.reason
    return caught.value.reason


@pytest.mark.parametrize(
    ("files", "runtime", "opened"),
    [
        (["model.onnx", "weights.bin"], "onnx", "model.onnx"),
        (["model.pt"], "torchscript", "model.pt"),
        (["saved_model.pb", "variables/variables.index"], "savedmodel", "."),
        (["model.savedmodel/saved_model.pb"], "savedmodel", "model.savedmodel"),
    ],
)
def test_an_artifact_is_recognised_by_what_the_folder_holds(root, files, runtime, opened):
    put(root, *files)
    artifact = find(root)
    assert (artifact.runtime, artifact.path) == (runtime, (root / "m/1" / opened).resolve())


def test_echo_needs_no_artifact(root):
    artifact = find(root, runtime="echo")
    assert (artifact.runtime, artifact.path) == ("echo", root / "m" / "1")


def test_an_empty_version_says_what_was_looked_for(root):
    reason = refusal(root)
    for name in ("m/1", "model.onnx", "model.pt", "saved_model.pb", "model.savedmodel"):
        assert name in reason


def test_a_folder_named_like_a_file_artifact_is_none(root):
    put(root, "model.onnx/inner")
    assert "holds no artifact" in refusal(root)


def test_two_artifacts_without_a_runtime_are_refused_by_name(root):
    put(root, "model.onnx", "model.pt")
    reason = refusal(root)
    assert "model.onnx (onnx) and model.pt (torchscript)" in reason


@pytest.mark.parametrize(("runtime", "file"), [("onnx", "model.onnx"), ("torchscript", "model.pt")])
def test_the_runtime_chooses_among_several_artifacts(root, runtime, file):
    put(root, "model.onnx", "model.pt")
    assert find(root, runtime=runtime).path.name == file


def test_two_saved_models_are_refused_even_with_the_runtime_set(root):
    put(root, "saved_model.pb", "model.savedmodel/saved_model.pb")
    assert "expected one artifact" in refusal(root, runtime="savedmodel")


def test_an_artifact_of_another_runtime_is_refused(root):
    put(root, "model.pt")
    reason = refusal(root, runtime="onnx")
    assert "'onnx'" in reason
    assert "model.pt (torchscript)" in reason


@pytest.mark.parametrize(
    ("file", "name", "runtime", "expected", "opened"),
    [
        ("net.onnx", "net.onnx", "", "onnx", "net.onnx"),
        ("net.pth", "net.pth", "", "torchscript", "net.pth"),
        ("weights", "weights", "torchscript", "torchscript", "weights"),
        ("net/saved_model.pb", "net", "", "savedmodel", "net"),
        ("saved_model.pb", "saved_model.pb", "", "savedmodel", "."),
    ],
)
def test_the_artifact_may_have_a_name_of_its_own(root, file, name, runtime, expected, opened):
    put(root, file, "model.pt")
    artifact = find(root, default_artifact=name, runtime=runtime)
    assert (artifact.runtime, artifact.path) == (expected, (root / "m/1" / opened).resolve())


@pytest.mark.parametrize(
    ("file", "name", "runtime", "word"),
    [
        ("model.pt", "net.onnx", "", "holds no net.onnx"),
        ("weights", "weights", "", "set 'runtime' to one of"),
        ("net/other", "net", "", "without saved_model.pb"),
        ("net.onnx", "net.onnx", "torchscript", "net.onnx (onnx)"),
        ("graph.pb", "graph.pb", "", "is named saved_model.pb"),
    ],
)
def test_a_named_artifact_that_does_not_fit_is_refused(root, file, name, runtime, word):
    put(root, file)
    assert word in refusal(root, default_artifact=name, runtime=runtime)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../2/model.onnx", "..", ".", "a/b.onnx", "a\0b", "a\u2215b.onnx"]
)
def test_a_named_artifact_never_leaves_the_version_folder(root, name):
    put(root, "model.onnx")
    assert "expected 1 to 255" in refusal(root, default_artifact=name)


def test_an_absolute_artifact_is_refused_even_where_it_exists(root):
    put(root, "model.onnx")
    assert "no folder" in refusal(root, default_artifact=str(root / "m/1/model.onnx"))


def outside_file(root):
    target = root.parent / "secret.onnx"
    target.write_bytes(b"secret")
    return target


def test_an_artifact_linked_out_of_the_repository_is_refused(root):
    (root / "m/1/model.onnx").symlink_to(outside_file(root))
    assert refusal(root) == "m/1/model.onnx leads outside the model repository"


def test_a_relative_link_out_of_the_repository_is_refused(root):
    outside_file(root)
    (root / "m/1/model.onnx").symlink_to("../../../secret.onnx")
    assert "leads outside" in refusal(root)


def test_a_named_artifact_linked_out_of_the_repository_is_refused(root):
    (root / "m/1/net.onnx").symlink_to(outside_file(root))
    assert "leads outside" in refusal(root, default_artifact="net.onnx")


def test_external_data_linked_out_of_the_repository_is_refused(root):
    put(root, "model.onnx")
    (root / "m/1/weights.bin").symlink_to("/etc/hostname")
    assert "m/1/weights.bin leads outside" in refusal(root)


def test_a_link_deep_inside_a_saved_model_is_refused(root):
    put(root, "model.savedmodel/saved_model.pb", "model.savedmodel/variables/a")
    (root / "m/1/model.savedmodel/variables/b").symlink_to("/etc/hostname")
    assert "leads outside" in refusal(root)


def test_a_link_behind_a_link_inside_is_refused(root):
    (root / "shared").mkdir()
    (root / "shared/saved_model.pb").write_bytes(b"x")
    (root / "shared/assets").symlink_to("/etc")
    (root / "m/1/model.savedmodel").symlink_to(root / "shared")
    assert "leads outside" in refusal(root)


def test_a_version_folder_linked_out_of_the_repository_is_refused(root):
    (root.parent / "elsewhere").mkdir()
    (root.parent / "elsewhere/model.onnx").write_bytes(b"x")
    (root / "m/1").rmdir()
    (root / "m/1").symlink_to(root.parent / "elsewhere")
    assert refusal(root) == "m/1 leads outside the model repository"


def test_a_sibling_whose_name_begins_like_the_root_is_outside(root):
    other = root.parent / "models-secret"
    other.mkdir()
    (other / "model.onnx").write_bytes(b"x")
    (root / "m/1/model.onnx").symlink_to(other / "model.onnx")
    assert "leads outside" in refusal(root)


def test_links_inside_the_repository_are_followed(root):
    (root / "blobs").mkdir()
    (root / "blobs/abc").write_bytes(b"x")
    (root / "m/1/model.onnx").symlink_to("../../blobs/abc")
    artifact = find(root)
    assert (artifact.runtime, artifact.path) == ("onnx", root / "blobs" / "abc")


def test_folders_linked_in_a_circle_end(root):
    put(root, "model.onnx")
    (root / "m/1/again").symlink_to(root / "m/1")
    assert find(root).runtime == "onnx"


def test_a_link_to_itself_is_refused(root):
    (root / "m/1/model.onnx").symlink_to("model.onnx")
    assert "cannot be opened" in refusal(root)


def test_a_version_that_went_away_is_refused(root):
    (root / "m/1").rmdir()
    assert "m/1 does not exist" in refusal(root)


def test_a_version_that_is_a_file_is_refused(root):
    (root / "m/1").rmdir()
    (root / "m/1").write_bytes(b"x")
    assert refusal(root) == "m/1 is not a folder"


def test_a_pipe_is_no_artifact(root):
    os.mkfifo(root / "m/1/model.onnx")
    assert "holds no artifact" in refusal(root)


def test_model_yaml_offers_exactly_the_runtimes_that_are_recognised():
    schema = ModelFile.model_json_schema()["properties"]["runtime"]
    assert schema["anyOf"][0]["enum"] == list(RUNTIMES)
