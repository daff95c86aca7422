"""The build's decisions that need no framework: what is missing, what goes wrong, what is said."""

import os
import subprocess
import sys

import pytest

from server.demo import __main__ as command
from server.demo import build as builder
from server.demo import manifest as manifests
from server.demo import requirements
from server.demo.errors import DemoError
from server.demo.naming import MODELS
from server.demo.quiet import stderr_set_aside


def fake_models(stage, say):
    for model in MODELS:
        (stage / model / "1").mkdir(parents=True)
        (stage / model / "1" / "artifact").write_text(model)
    return {"accuracy": {"digits": 0.99}}


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    """No framework, and nothing of the process's own that `main` sets."""
    monkeypatch.setattr(builder, "_train_and_export", fake_models)
    monkeypatch.setattr(command.signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(command, "_calm_frameworks", lambda: None)


def test_a_build_writes_the_models_and_the_facts(tmp_path):
    said = []
    builder.build(tmp_path / "models", said.append)
    found = manifests.read(tmp_path / "models")
    assert found is not None
    assert found.complete
    assert found.facts["accuracy"] == {"digits": 0.99}
    assert set(found.files) == {f"{model}/1/artifact" for model in MODELS}
    assert said[0].startswith(f"Building the demo models in {tmp_path / 'models'}")
    assert said[-1].startswith("Done in ")


def test_the_second_build_only_says_so(tmp_path):
    builder.build(tmp_path / "models", lambda line: None)
    said = []
    builder.build(tmp_path / "models", said.append)
    (line,) = said
    assert line.startswith(f"The demo models are already in {tmp_path / 'models'}")


def test_other_sources_mean_a_rebuild(tmp_path, monkeypatch):
    builder.build(tmp_path / "models", lambda line: None)
    monkeypatch.setattr(manifests, "builder_fingerprint", lambda: "of other sources")
    said = []
    builder.build(tmp_path / "models", said.append)
    assert said[0].startswith("Rebuilding")


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    builder.build(tmp_path / "link", lambda line: None)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "language" / "1" / "artifact").is_file()


def test_what_is_missing_is_named_with_the_command_that_brings_it(tmp_path, monkeypatch, capsys):
    absent = {"tensorflow", "sklearn"}
    monkeypatch.setattr(requirements, "find_spec", lambda name: None if name in absent else name)
    assert command.main([str(tmp_path / "models")]) == 1
    error = capsys.readouterr().err
    assert "tensorflow, sklearn" in error
    assert "pip install 'underway[torch,tensorflow,onnx,demo]'" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (DemoError("not good enough"), 1, "not good enough"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_failed_build_says_why_and_leaves_nothing(
    tmp_path, monkeypatch, capfd, raised, status, said
):
    def failing(stage, say):
        (stage / "half").write_text("built")
        raise raised

    monkeypatch.setattr(builder, "_train_and_export", failing)
    assert command.main([str(tmp_path / "models")]) == status
    error = capfd.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_directory_below_a_file_is_an_error_in_words(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert command.main([str(tmp_path / "file" / "models")]) == 1
    assert capsys.readouterr().err.startswith("underway demo: ")


def test_chatter_is_dropped_when_all_goes_well(capfd):
    with stderr_set_aside():
        os.write(2, b"chatter\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


def chatter_and_raise(chatter, error):
    with stderr_set_aside():
        os.write(2, chatter)
        raise error


def test_chatter_is_shown_when_something_unforeseen_fails(capfd):
    with pytest.raises(RuntimeError):
        chatter_and_raise(b"the reason\n", RuntimeError())
    assert capfd.readouterr().err == "the reason\n"


def test_chatter_is_dropped_when_the_error_speaks_for_itself(capfd):
    with pytest.raises(DemoError):
        chatter_and_raise(b"chatter\n", DemoError())
    assert capfd.readouterr().err == ""


def test_help_names_the_directory():
    done = subprocess.run(
        [sys.executable, "-m", "server.demo", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "DIR" in done.stdout
