"""Scanning local repositories."""

import os

import pytest

from server.repository import files
from server.repository.errors import RepositoryError
from server.repository.local import locate, read_model, scan
from server.repository.settings import ModelSettings


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "models"
    root.mkdir()
    return root


def put(root, name, content=b"x"):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def only(root):
    listing = scan([root])
    assert len(listing.models) == 1
    return next(iter(listing.models.values()))


def test_models_are_found_with_their_versions_in_order_of_number(root):
    for version in ("2", "10", "1"):
        put(root, f"a/{version}/model.onnx")
    put(root, "b/1/model.pt")
    listing = scan([root])
    assert list(listing.models) == ["a", "b"]
    assert listing.models["a"].versions == (1, 2, 10)
    assert listing.models["a"].settings == ModelSettings(name="a")
    assert listing.ignored == listing.shadowed == ()


def test_an_empty_repository_has_no_models(root):
    assert scan([root]).models == {}


def test_a_located_version_is_what_a_worker_opens(root):
    put(root, "a/3/model.pt")
    artifact = locate(only(root), 3)
    assert (artifact.runtime, artifact.path) == ("torchscript", root / "a/3/model.pt")


def test_a_repository_given_by_a_link_is_followed(root, tmp_path):
    put(root, "a/1/model.pt")
    (tmp_path / "link").symlink_to(root)
    assert locate(only(tmp_path / "link"), 1).path == root / "a/1/model.pt"


def test_a_version_that_is_not_there_cannot_be_located(root):
    put(root, "a/3/model.pt")
    with pytest.raises(RepositoryError, match="a/4 does not exist"):
        locate(only(root), 4)


@pytest.mark.parametrize("name", ["01", "1.0", "-1", "1e3", "0", "9" * 30, "v1", "1.tmp"])
def test_a_folder_that_is_no_version_is_passed_over_with_a_reason(root, name):
    put(root, "a/1/model.pt")
    put(root, f"a/{name}/model.pt")
    entry = only(root)
    assert entry.versions == (1,)
    assert len(entry.ignored) == 1
    assert name in entry.ignored[0]


def test_a_file_named_like_a_version_is_no_version(root):
    put(root, "a/1")
    entry = only(root)
    assert entry.versions == ()
    assert entry.ignored == ("'1': not a folder",)


def test_hidden_folders_and_notes_are_passed_over_silently(root):
    for name in (".git/config", "a/.tmp/x", "a/README.md", "a/labels.txt", "a/1/model.pt"):
        put(root, name)
    assert only(root).ignored == ()
    assert scan([root]).ignored == ()


def test_a_misnamed_model_file_is_pointed_out(root):
    put(root, "a/model.yml")
    assert only(root).ignored == ("model.yml: expected model.yaml",)


def test_what_is_no_model_is_listed_with_a_reason(root):
    put(root, "notes.txt")
    (root / "my model").mkdir()
    (root / "linked-file").symlink_to("notes.txt")
    os.mkfifo(root / "pipe")
    listing = scan([root])
    assert listing.models == {}
    assert [reason.split(" in repository 1: ")[0] for reason in listing.ignored] == [
        "'linked-file'",
        "'my model'",
        "'notes.txt'",
        "'pipe'",
    ]


@pytest.mark.parametrize("name", ["a\u2215b", "\uff0e\uff0e", "a\\b", "a b", "caf\u00e9", "-a"])
def test_a_tricky_folder_name_is_never_a_model(root, name):
    put(root, f"{name}/1/model.onnx")
    listing = scan([root])
    assert listing.models == {}
    assert len(listing.ignored) == 1


@pytest.mark.parametrize("name", ["..", "../other", "a/b", "a\0b", "", "/etc", "a\u2215b"])
def test_a_tricky_name_cannot_be_read_as_a_model(root, name):
    entry = read_model(root, name)
    assert entry.settings is None
    assert "expected 1 to 128 of" in entry.error


def test_settings_are_read_from_model_yaml(root):
    put(root, "a/model.yaml", b"runtime: echo\nworkers: 2\n")
    put(root, "a/1/x")
    entry = only(root)
    assert (entry.error, entry.settings.workers) == ("", 2)
    assert locate(entry, 1).runtime == "echo"


def test_settings_are_read_from_config_pbtxt(root):
    put(root, "a/config.pbtxt", b'platform: "onnxruntime_onnx"')
    assert only(root).settings.runtime == "onnx"


def test_labels_are_read_from_a_file_beside_the_versions(root):
    put(root, "a/labels.txt", b"cat\r\ndog\n\nowl")
    put(
        root,
        "a/model.yaml",
        b"outputs: [{name: y, datatype: FP32, shape: [-1, 4], labels_file: labels.txt}]",
    )
    assert only(root).settings.output_labels == {"y": ("cat", "dog", "", "owl")}


def test_labels_of_config_pbtxt_never_come_from_elsewhere(root):
    put(
        root,
        "a/config.pbtxt",
        b'output { name: "y" data_type: TYPE_FP32 dims: 1 label_filename: "../../x" }',
    )
    assert "labels file '../../x': expected 1 to 255" in only(root).error


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"model.yaml": b"", "config.pbtxt": b""}, "both model.yaml and config.pbtxt are there"),
        ({"model.yaml": b"foo: 1"}, "model.yaml: foo: unknown"),
        ({"config.pbtxt": b"foo: 1"}, "config.pbtxt: line 1:"),
        ({"model.yaml": b"\xff\xfe"}, "a/model.yaml is not UTF-8 at byte 0"),
        ({"config.pbtxt": b"#" * (1 << 20) + b"#"}, "a/config.pbtxt is larger than 1048576 bytes"),
        ({"model.yaml": b"#" * (1 << 20) + b"#"}, "a/model.yaml is larger than 1048576 bytes"),
        ({"model.yaml/x": b""}, "a/model.yaml is not a regular file"),
        (
            {"model.yaml": b"outputs: [{name: y, datatype: FP32, shape: [], labels_file: l}]"},
            "a/l does not exist",
        ),
        (
            {
                "model.yaml": b"outputs: [{name: y, datatype: FP32, shape: [], labels_file: l}]",
                "l": b"\n \n",
            },
            "a/l holds no labels",
        ),
    ],
    ids=range(9),
)
def test_settings_that_cannot_be_read_become_the_models_error(root, files, reason):
    for name, content in files.items():
        put(root, f"a/{name}", content)
    put(root, "a/1/model.pt")
    put(root, "b/1/model.pt")
    models = scan([root]).models
    assert models["a"].error.startswith(reason)
    assert models["a"].settings is None
    assert models["a"].versions == (1,)
    assert str(root) not in models["a"].error
    assert models["b"].error == ""
    with pytest.raises(RepositoryError, match=models["a"].error[:8]):
        locate(models["a"], 1)


def test_a_pipe_in_place_of_settings_does_not_hang(root):
    (root / "a").mkdir()
    os.mkfifo(root / "a/model.yaml")
    assert only(root).error == "a/model.yaml is not a regular file"


@pytest.mark.parametrize("name", ["model.yaml", "config.pbtxt"])
def test_settings_linked_out_of_the_repository_are_refused(root, tmp_path, name):
    put(tmp_path, "secret", b"secret: 1")
    (root / "a").mkdir()
    (root / "a" / name).symlink_to(tmp_path / "secret")
    assert only(root).error == f"a/{name} leads outside the model repository"


def test_a_broken_link_in_place_of_settings_is_not_taken_for_none(root):
    (root / "a").mkdir()
    (root / "a/model.yaml").symlink_to("nowhere")
    assert "a/model.yaml does not exist" in only(root).error


def test_a_model_linked_out_of_the_repository_is_refused(root, tmp_path):
    put(tmp_path, "elsewhere/1/model.pt")
    (root / "a").symlink_to(tmp_path / "elsewhere")
    entry = only(root)
    assert entry.error == "a leads outside the model repository"
    assert entry.versions == ()


def test_a_version_linked_out_of_the_repository_may_not_be_loaded(root, tmp_path):
    put(tmp_path, "elsewhere/model.pt")
    (root / "a").mkdir()
    (root / "a/1").symlink_to(tmp_path / "elsewhere")
    (root / "a/2").symlink_to("2")
    entry = only(root)
    assert entry.versions == ()
    assert entry.incomplete == {
        1: "a/1 leads outside the model repository",
        2: "a/2 does not exist or cannot be opened",
    }


def test_of_two_models_of_one_name_the_first_repository_wins(tmp_path):
    first, second = tmp_path / "one", tmp_path / "two"
    put(first, "a/1/model.pt")
    put(second, "a/2/model.onnx")
    put(second, "b/1/model.onnx")
    listing = scan([first, second])
    assert listing.models["a"].root == first
    assert listing.models["a"].versions == (1,)
    assert listing.models["b"].root == second
    assert [(entry.name, entry.root) for entry in listing.shadowed] == [("a", second)]
    assert "earlier repository" in listing.shadowed[0].error


def test_a_missing_repository_is_an_error_without_its_path(root):
    with pytest.raises(RepositoryError) as caught:
        scan([root, root / "missing"])
    assert caught.value.reason == "model repository 2 does not exist"


def test_a_repository_that_is_a_file_is_an_error(root):
    put(root, "file")
    with pytest.raises(RepositoryError, match="model repository 1 is not a folder"):
        scan([root / "file"])


def test_a_repository_with_too_many_entries_is_an_error(root, monkeypatch):
    monkeypatch.setattr(files, "MAX_ENTRIES", 2)
    for name in "abc":
        (root / name).mkdir()
    with pytest.raises(RepositoryError, match="the repository has more than 2 entries"):
        scan([root])


def test_a_version_with_too_many_entries_is_an_error(root, monkeypatch):
    put(root, "a/1/model.savedmodel/saved_model.pb")
    put(root, "a/1/model.savedmodel/variables/x")
    monkeypatch.setattr(files, "MAX_ENTRIES", 3)
    with pytest.raises(RepositoryError, match="a/1 has more than 3 entries"):
        locate(only(root), 1)
