"""A framework by itself: `python -m loadtests.bench.in_process RUNTIME FOLDER INPUT OUTPUT`.

Reads lines of JSON: `{"shape": [...], "data": [...]}` is answered with `{"answer": [...]}`,
`{"shape": [...], "seconds": S}` computes that batch over and over for S seconds and tells
`{"calls", "wall", "cpu", "p50", "p99"}`, times in seconds. One thread, as the workers have.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Predict = Callable[[Array], Array]


def onnx(folder: Path, source: str, target: str) -> Predict:
    """ONNX Runtime's own session."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    return lambda batch: session.run([target], {source: batch})[0]


def torchscript(folder: Path, _source: str, _target: str) -> Predict:
    """torch.jit in inference mode."""
    import torch

    torch.set_num_threads(1)
    model = torch.jit.load(str(folder / "model.pt"))  # type: ignore[no-untyped-call]

    def predict(batch: Array) -> Array:
        with torch.inference_mode():
            found: Array = model(torch.from_numpy(batch)).numpy()
            return found

    return predict


def savedmodel(folder: Path, source: str, target: str) -> Predict:
    """The signature as TensorFlow gives it."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    loaded = tf.saved_model.load(str(folder))  # kept: it holds the variables
    signature = loaded.signatures["serving_default"]
    return lambda batch: signature(**{source: tf.constant(batch)})[target].numpy()


LOADERS = {"onnx": onnx, "torchscript": torchscript, "savedmodel": savedmodel}


def repeat(predict: Predict, batch: Array, seconds: float) -> dict[str, float]:
    """Compute `batch` for `seconds`; how often, and what it took."""
    predict(batch)
    times = []
    cpu, began = time.process_time(), time.perf_counter()
    now = began
    while now - began < seconds:
        predict(batch)
        before, now = now, time.perf_counter()
        times.append(now - before)
    p50, p99 = np.percentile(times, [50, 99])
    used = time.process_time() - cpu
    return {
        "calls": len(times), "wall": now - began, "cpu": used, "p50": float(p50), "p99": float(p99)
    }  # fmt: skip


def main() -> None:
    """Answer line by line until the input ends."""
    runtime, folder, source, target = sys.argv[1:]
    predict = LOADERS[runtime](Path(folder), source, target)
    for line in sys.stdin:
        told = json.loads(line)
        shape = told["shape"]
        if "data" in told:
            batch = np.array(told["data"], np.float32).reshape(shape)
            answer: object = {"answer": predict(batch).reshape(-1).tolist()}
        else:
            batch = np.random.default_rng(0).random(shape, np.float32)
            answer = repeat(predict, batch, told["seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
