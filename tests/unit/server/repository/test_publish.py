"""Publishing artifacts as versions: whole or not at all."""

import errno
import os
import threading

import pytest

from server.repository import copying
from server.repository import publish as publishing
from server.repository.copying import PublishError
from server.repository.local import scan, verify_version
from server.repository.manifest import parse
from server.repository.publish import publish


@pytest.fixture
def root(tmp_path):
    root = tmp_path.resolve() / "models"
    root.mkdir()
    return root


@pytest.fixture
def artifact(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"graph" * 1000)
    return path


@pytest.fixture
def saved_model(tmp_path):
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables/variables.index").write_bytes(b"index")
    (folder / ".DS_Store").write_bytes(b"x")
    return folder


def refusal(*args, **kwargs):
    with pytest.raises(PublishError) as caught:
        publish(*args, **kwargs)
    return str(caught.value)


def all_names(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.mark.parametrize(
    ("name", "published"),
    [("net.onnx", "model.onnx"), ("net.pt", "model.pt"), ("net.PTH", "model.pt")],
)
def test_a_file_becomes_version_one_of_a_new_model(root, tmp_path, name, published):
    (tmp_path / name).write_bytes(b"graph")
    assert publish(tmp_path / name, root / "m") == 1
    assert all_names(root) == ["m", "m/1", "m/1/manifest.json", f"m/1/{published}"]
    assert (root / "m/1" / published).read_bytes() == b"graph"


def test_a_folder_is_published_with_all_that_is_in_it(root, saved_model):
    publish(saved_model, root / "m")
    manifest = parse((root / "m/1/manifest.json").read_text())
    assert list(manifest.files) == ["saved_model.pb", "variables/variables.index"]
    assert manifest.created.endswith("+00:00")
    assert not (root / "m/1/.DS_Store").exists()


def test_what_is_published_is_whole_at_once_and_verified(root, saved_model):
    publish(saved_model, root / "m")
    entry = scan([root], quiet_period=3600).models["m"]
    assert entry.versions == (1,)
    assert verify_version(entry, 1) == ""


def test_the_next_version_follows_the_highest(root, artifact):
    for name in ("2", "10", "notes", "011"):
        (root / "m" / name).mkdir(parents=True)
    assert publish(artifact, root / "m") == 11
    assert publish(artifact, root / "m") == 12


def test_a_version_may_be_named(root, artifact):
    assert publish(artifact, root / "m", 7) == 7
    assert publish(artifact, root / "m", 3) == 3


@pytest.mark.parametrize("taken", ["folder", "file", "link"])
def test_a_version_that_is_there_is_never_replaced(root, artifact, taken):
    (root / "m").mkdir()
    if taken == "folder":
        (root / "m/3").mkdir()
    elif taken == "file":
        (root / "m/3").write_text("x")
    else:
        (root / "m/3").symlink_to("nowhere")
    before = all_names(root)
    assert "version 3 of m is there already" in refusal(artifact, root / "m", 3)
    assert all_names(root) == before


@pytest.mark.parametrize("version", [0, -1, 2**63])
def test_a_version_out_of_range_is_refused(root, artifact, version):
    assert "expected 1 to" in refusal(artifact, root / "m", version)


def test_progress_counts_all_bytes(root, saved_model):
    told = []
    publish(saved_model, root / "m", progress=lambda *step: told.append(step))
    assert told == [(5, 10), (10, 10)]


def test_the_artifact_may_have_the_name_that_model_yaml_gives_it(root, artifact):
    (root / "m").mkdir()
    (root / "m/model.yaml").write_text("artifact: special.onnx")
    publish(artifact, root / "m")
    assert (root / "m/1/special.onnx").is_file()


def test_a_model_with_broken_settings_is_not_added_to(root, artifact):
    (root / "m").mkdir()
    (root / "m/model.yaml").write_text("threads: many")
    assert "threads: expected an integer" in refusal(artifact, root / "m")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "there is no artifact"),
        (lambda path: path.write_text("x"), "expected a file named *.onnx, *.pt or *.pth"),
        (lambda path: path.mkdir(), "holds no files"),
        (lambda path: os.mkfifo(path), "neither a file nor a folder"),
    ],
)
def test_what_is_no_artifact_is_refused(root, tmp_path, make, reason):
    make(tmp_path / "thing")
    assert reason in refusal(tmp_path / "thing", root / "m")
    assert all_names(root) == []


def test_the_file_of_a_saved_model_is_refused_with_advice(root, saved_model):
    assert "the folder of a SavedModel" in refusal(saved_model / "saved_model.pb", root / "m")


def test_a_folder_that_no_runtime_would_open_is_refused(root, tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f/readme.txt").write_text("x")
    reason = refusal(tmp_path / "f", root / "m")
    assert reason.startswith("the artifact holds no artifact; looked for model.onnx")
    assert all_names(root) == []


@pytest.mark.parametrize("name", ["a b", "..", "-x", "é"])
def test_a_model_name_that_the_server_would_refuse_is_refused(root, artifact, name):
    assert "model name" in refusal(artifact, root / name)


def test_a_repository_that_does_not_exist_is_not_made(tmp_path, artifact):
    assert "there is no model repository" in refusal(artifact, tmp_path / "nowhere" / "m")
    assert not (tmp_path / "nowhere").exists()


def test_links_within_the_artifact_become_files(root, saved_model):
    (saved_model / "assets/vocabulary").symlink_to("../saved_model.pb")
    publish(saved_model, root / "m")
    copy = root / "m/1/assets/vocabulary"
    assert copy.read_bytes() == b"graph"
    assert not copy.is_symlink()


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/etc/hostname", "assets/x is a link out of the artifact"),
        ("../../net.onnx", "assets/x is a link out of the artifact"),
        ("/etc", "assets/x is a link out of the artifact"),
        ("nowhere", "assets/x is a link that leads nowhere"),
        ("x", "assets/x is a link that leads nowhere"),
        ("..", "assets/x is a link to a folder that it lies in"),
    ],
)
def test_nothing_is_copied_through_a_link_that_leaves_the_artifact(
    root, saved_model, artifact, target, reason
):
    (saved_model / "assets/x").symlink_to(target)
    assert reason in refusal(saved_model, root / "m")
    assert all_names(root) == []


def test_a_pipe_in_the_artifact_is_refused(root, saved_model):
    os.mkfifo(saved_model / "pipe")
    assert refusal(saved_model, root / "m") == "pipe is neither a file nor a folder"


def onnx_with(location):
    name = location.encode()
    return b"\x08\x07" + b"\x0a\x08location\x12" + bytes([len(name)]) + name + b"\x0a\x06offset"


def test_an_onnx_file_with_weights_beside_it_is_refused_with_advice(root, tmp_path):
    (tmp_path / "a.onnx").write_bytes(onnx_with("a.data") + onnx_with("b.data"))
    (tmp_path / "a.data").write_bytes(b"w")
    (tmp_path / "b.data").write_bytes(b"w")
    reason = refusal(tmp_path / "a.onnx", root / "m")
    assert "keeps weights in 'a.data', 'b.data' beside it" in reason
    folder = tmp_path / "f"
    folder.mkdir()
    (tmp_path / "a.onnx").rename(folder / "model.onnx")
    (tmp_path / "a.data").rename(folder / "a.data")
    assert publish(folder, root / "m") == 1


def test_a_word_that_only_looks_like_a_reference_is_no_obstacle(root, tmp_path):
    (tmp_path / "a.onnx").write_bytes(onnx_with("Paris"))
    assert publish(tmp_path / "a.onnx", root / "m") == 1


def test_a_published_version_can_be_published_again(root, saved_model):
    publish(saved_model, root / "m")
    assert publish(root / "m/1", root / "other") == 1
    first, second = (parse((root / m / "1/manifest.json").read_text()) for m in ("m", "other"))
    assert first.files == second.files


def test_a_version_that_is_not_as_it_was_published_is_not_published_again(root, saved_model):
    publish(saved_model, root / "m")
    (root / "m/1/saved_model.pb").write_bytes(b"grape")
    before = all_names(root)
    assert "is not what its own manifest.json says" in refusal(root / "m/1", root / "m")
    assert all_names(root) == before


def failing_write(real, number):
    """Writes the first half of the first chunk, and no more."""

    def write(handle, data):
        if len(data) > 2000:
            return real(handle, data[:2000])
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk of the model repository is full; nothing was published"),
        (errno.EDQUOT, "the disk of the model repository is full; nothing was published"),
        (errno.EIO, "Input/output error; nothing was published"),
    ],
)
def test_a_full_disk_leaves_nothing_behind(root, artifact, monkeypatch, number, reason, existing):
    if existing:
        publish(artifact, root / "m")
    before = all_names(root)
    monkeypatch.setattr(copying.os, "write", failing_write(os.write, number))
    assert refusal(artifact, root / "m") == reason
    assert all_names(root) == before


def test_an_artifact_larger_than_the_free_space_is_not_begun(root, artifact, monkeypatch):
    class Usage:
        free = 10

    monkeypatch.setattr(publishing.shutil, "disk_usage", lambda path: Usage)
    assert refusal(artifact, root / "m") == "the disk has 10 bytes free, the artifact needs 5000"


def test_a_move_that_fails_leaves_no_empty_model_behind(root, artifact, monkeypatch):
    def rename(path, target):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(publishing.Path, "rename", rename)
    assert refusal(artifact, root / "m") == "Input/output error; nothing was published"
    assert all_names(root) == []


def test_an_interrupt_leaves_nothing_behind(root, artifact):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(artifact, root / "m", progress=interrupt)
    assert all_names(root) == []


def test_an_artifact_that_changes_meanwhile_is_refused(root, artifact):
    def grow(done, total):
        if done == total:
            with artifact.open("ab") as file:
                file.write(b"more")

    # The added bytes are copied too, but the file is another one than when it was opened.
    os.utime(artifact, (1, 1))
    assert "changed while it was being copied" in refusal(artifact, root / "m", progress=grow)
    assert all_names(root) == []


def test_a_version_is_never_seen_in_part(root, saved_model):
    seen = []

    def look(done, total):
        entry = scan([root], quiet_period=0).models.get("m")
        seen.append(entry.versions if entry else None)

    publish(saved_model, root / "m", progress=look)
    publish(saved_model, root / "m", progress=look)
    assert seen == [None, None, (1,), (1,)]


def together(count, function):
    """Call `function` in `count` threads at once; what each gave or raised."""
    barrier = threading.Barrier(count)
    results = []

    def run():
        try:
            results.append(function(barrier))
        except PublishError as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def meeting(barrier):
    """Lets all publishers reach the same point before any goes on."""

    def wait(done, total):
        if done == total:
            barrier.wait(10)

    return wait


def test_publishers_at_once_get_a_version_each(root, artifact, monkeypatch):
    real = publishing._next
    both_chose = threading.Barrier(4)
    first = threading.local()

    def choose(folder):
        chosen = real(folder)
        if not getattr(first, "done", False):
            first.done = True
            both_chose.wait(10)
        return chosen

    (root / "m").mkdir()
    monkeypatch.setattr(publishing, "_next", choose)
    versions = together(4, lambda barrier: publish(artifact, root / "m"))
    assert sorted(versions) == [1, 2, 3, 4]
    assert sorted(path.name for path in (root / "m").iterdir()) == ["1", "2", "3", "4"]


def test_of_publishers_of_one_version_at_once_one_wins(root, artifact):
    results = together(
        4, lambda barrier: publish(artifact, root / "m", 5, progress=meeting(barrier))
    )
    assert results.count(5) == 1
    assert sum("is there already" in str(result) for result in results) == 3
    assert all_names(root) == ["m", "m/5", "m/5/manifest.json", "m/5/model.onnx"]
