"""Child of test_same_answers: asks every demo model directly in its framework.

A process of its own, so that no framework is imported beside the tests' protobuf modules.
Usage: python framework_answers.py REPOSITORY QUESTIONS.npz ANSWERS.npz

QUESTIONS has `images` and `texts` (UTF-8 in an array of bytes objects, as lengths and one
buffer). ANSWERS has `MODEL/SIZE` for each digits model and batch size, and `label`, `score`.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import tensorflow as tf
import torch

from tests.e2e.clients.questions import SIZES, batches, unpack

root, questions, answers = (Path(argument) for argument in sys.argv[1:])
asked = np.load(questions)
script = torch.jit.load(str(root / "digits-torchscript/1/model.pt"))
session = onnxruntime.InferenceSession(
    str(root / "digits-onnx/1/model.onnx"), providers=["CPUExecutionProvider"]
)
# Held, because a signature does not keep its model alive.
models = [tf.saved_model.load(str(root / name / "1")) for name in ("digits-savedmodel", "language")]
digits, language = (model.signatures["serving_default"] for model in models)


def torchscript(batch: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return script(torch.from_numpy(batch)).numpy()


def savedmodel(batch: np.ndarray) -> np.ndarray:
    return digits(image=tf.constant(batch))["probabilities"].numpy()


def onnx(batch: np.ndarray) -> np.ndarray:
    return session.run(None, {"image": batch})[0]


frameworks: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "digits-torchscript": torchscript,
    "digits-savedmodel": savedmodel,
    "digits-onnx": onnx,
}
said = {
    f"{model}/{size}": np.concatenate([ask(batch) for batch in batches(asked["images"], size)])
    for model, ask in frameworks.items()
    for size in SIZES
}
told = language(text=tf.constant(unpack(asked), tf.string))
said["label"] = np.array([label.decode() for label in told["label"].numpy()])
said["score"] = told["score"].numpy()
np.savez(answers, **said)
