"""The models that are measured, and the repository of them that a server is started on."""

from __future__ import annotations

import compileall
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtests.generator.process import ROOT
from server.repository.publish import publish

DIGITS = ("digits-onnx", "digits-torchscript", "digits-savedmodel")


@dataclass(frozen=True, slots=True)
class Model:
    """One model: FP32 rows of `shape` in, one output; `rows` is the most in one batch."""

    name: str
    runtime: str
    input: str
    output: str
    shape: tuple[int, ...]
    rows: int = 64

    @property
    def row_bytes(self) -> int:
        """What one row of input holds."""
        return 4 * math.prod(self.shape)

    def question(self) -> NDArray[np.float32]:
        """The one row that is asked for: [1, *shape], with few digits, so that JSON is exact."""
        drawn = np.random.default_rng(7).random((1, *self.shape))
        return drawn.round(3).astype(np.float32)


MODELS = {
    model.name: model
    for model in (
        Model("echo", "echo", "image", "image_out", (1, 8, 8)),
        Model("digits-onnx", "onnx", "image", "probabilities", (1, 8, 8)),
        Model("digits-torchscript", "torchscript", "image", "probabilities", (1, 8, 8)),
        Model("digits-savedmodel", "savedmodel", "image", "probabilities", (1, 8, 8)),
        Model("image", "onnx", "image", "scores", (3, 224, 224), rows=16),
        Model("heavy", "onnx", "image", "scores", (3, 56, 56), rows=8),
    )
}


def artifact(model: Model, demo: Path, work: Path) -> Path:
    """The folder of the model's artifact; those of this bench are written where they lack."""
    if model.name in DIGITS:
        return demo / model.name / "1"
    folder = work / "artifacts" / model.name
    if model.runtime == "onnx" and not folder.exists():
        from loadtests.bench import graphs

        folder.mkdir(parents=True)
        graphs.WRITERS[model.name](folder / "model.onnx")
    return folder


def repository(model: Model, folder: Path, demo: Path, work: Path, *, batching: bool) -> Path:
    """Write a model repository that holds `model` alone, one thread a worker; `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / model.name
    target.mkdir(parents=True)
    settings: dict[str, object] = {"threads": 1, "max_batch_size": model.rows}
    if batching:
        settings["batching"] = {}
    if model.runtime == "echo":
        settings["runtime"] = "echo"
        tensor = {"datatype": "FP32", "shape": [-1, *model.shape]}
        settings["inputs"] = [{"name": model.input, **tensor}]
        (target / "1").mkdir()
    (target / "model.yaml").write_text(json.dumps(settings))  # JSON is YAML
    if model.runtime != "echo":
        publish(artifact(model, demo, work), target, 1)
    return folder


def compile_server() -> None:
    """Keep the server's bytecode, as its installation does, which makes starts faster."""
    for folder in ("server", "runtimes", "protos"):
        compileall.compile_dir(ROOT / folder, quiet=2)
