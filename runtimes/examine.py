"""What an interpreter has for one runtime: versions, CUDA libraries, and whether its GPUs compute.

For a process of its own (`python -P runtimes/__main__.py examine RUNTIME`): a framework that is
broken may end the process, and the CUDA libraries are those that it has really loaded.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

Facts = dict[str, object]
Gpus = Iterator[tuple[str, str, Callable[[], float]]]
"""Of each GPU: its name for a worker, its own, and a small product computed on it."""

SIDE = 8
PRODUCT = float(SIDE**3)
"""The sum of all elements of an all-ones matrix of that side, multiplied by itself."""

_LONGEST = 600

_LIBRARY = re.compile(r"/lib(?:cudnn|cublas|cudart|cufft|curand|cuda|nvrtc)[-_a-zA-Z]*\.so[.\d]*$")

# y = x x for a 2 by 2 matrix, as a ModelProto of opset 13: no package to make one is needed.
_MATMUL = (
    b"\x08\x08\x12\x00:@\n\x11\n\x01x\n\x01x\x12\x01y\x22\x06MatMul\x12\x01gZ\x13\n\x01x\x12\x0e\n"
    b"\x0c\x08\x01\x12\x08\n\x02\x08\x02\n\x02\x08\x02b\x13\n\x01y\x12\x0e\n\x0c\x08\x01\x12\x08\n"
    b"\x02\x08\x02\n\x02\x08\x02B\x04\n\x00\x10\r"
)


def main(runtime: str) -> int:
    """Print the facts as one line of JSON, and nothing else: frameworks like to print too."""
    out = os.dup(1)
    os.dup2(2, 1)
    line = json.dumps(examine(runtime)) + "\n"
    os.write(out, line.encode())
    return 0


def examine(runtime: str) -> Facts:
    """All that can be found out; `error` is why the framework cannot be used, "" where it can."""
    facts: Facts = {"python": ".".join(map(str, sys.version_info[:3])), "numpy": _numpy()}
    facts |= {"framework": "", "version": "", "cuda": "", "gpus": [], "libraries": {}, "error": ""}
    try:
        facts |= _FRAMEWORKS[runtime]()
    except ImportError as error:
        facts["error"] = _said(error)
    except Exception as error:  # whatever a framework may raise while it starts
        facts["error"] = f"{type(error).__name__}: {_said(error)}"
    facts["libraries"] = loaded_libraries(_maps())
    return facts


def loaded_libraries(maps: str) -> dict[str, str]:
    """The CUDA libraries in the text of /proc/PID/maps: paths by file name."""
    paths = {line.split(maxsplit=5)[5] for line in maps.splitlines() if len(line.split()) > 5}
    return {Path(path).name: path for path in sorted(paths) if _LIBRARY.search(path)}


def proofs(gpus: Gpus) -> list[dict[str, str]]:
    """Each GPU with `proof`: `passed`, or why it did not compute what it should."""
    found = []
    for device, name, compute in gpus:
        try:
            result = compute()
            right = result == PRODUCT
            proof = "passed" if right else f"computed {result:g}, expected {PRODUCT:g}"
        except Exception as error:  # as above
            proof = _said(error)
        found.append({"device": device, "name": name, "proof": proof})
    return found


def _said(error: Exception) -> str:
    """The first line of what it says: whoever asks owns the machine, so that paths may stay."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:_LONGEST]


def _numpy() -> str:
    try:
        return version("numpy")
    except PackageNotFoundError:
        return ""


def _maps() -> str:
    try:
        return Path("/proc/self/maps").read_text()
    except OSError:
        return ""


def _torch() -> Facts:
    import torch

    def gpus() -> Gpus:
        for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
            device = f"cuda:{index}"
            yield device, torch.cuda.get_device_name(index), partial(compute, device)

    def compute(device: str) -> float:
        ones = torch.ones(SIDE, SIDE, device=device)
        torch.nn.functional.conv2d(ones[None, None], ones[None, None])  # loads cuDNN
        return float((ones @ ones).sum())

    return {
        "framework": "torch", "version": torch.__version__, "cuda": torch.version.cuda or "",
        "gpus": proofs(gpus()),
    }  # fmt: skip


def _tensorflow() -> Facts:
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    for gpu in found:  # else it takes all memory of every GPU
        tf.config.experimental.set_memory_growth(gpu, True)

    def gpus() -> Gpus:
        for index, gpu in enumerate(found):
            name = tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
            yield f"cuda:{index}", str(name), partial(compute, index)

    def compute(index: int) -> float:
        with tf.device(f"/GPU:{index}"):
            ones = tf.ones((SIDE, SIDE))
            tf.nn.conv2d(ones[None, :, :, None], ones[:, :, None, None], 1, "VALID")
            return float(tf.reduce_sum(ones @ ones))

    build = tf.sysconfig.get_build_info()
    return {
        "framework": "tensorflow", "version": tf.__version__,
        "cuda": str(build.get("cuda_version", "")), "gpus": proofs(gpus()),
    }  # fmt: skip


def _onnxruntime() -> Facts:
    import numpy as np
    import onnxruntime as ort

    from runtimes.onnx_placement import CUDA

    has_cuda = CUDA in ort.get_available_providers()

    def gpus() -> Gpus:
        if has_cuda and Path("/dev/nvidia0").exists():
            yield "cuda:0", "", compute

    def compute() -> float:
        if hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        options = ort.SessionOptions()
        # Without it a node that CUDA refuses runs on the CPU, and proves nothing.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        session = ort.InferenceSession(_MATMUL, options, providers=[CUDA], enable_fallback=0)
        half = np.full((2, 2), SIDE, np.float32)
        (result,) = session.run(["y"], {"x": half})
        # Four elements of 2 * 8 * 8 each are 8 * 8 * 8 in all.
        return float(result.sum())

    return {
        "framework": "onnxruntime", "version": ort.__version__,
        "cuda": str(getattr(ort, "cuda_version", "") or ""), "gpus": proofs(gpus()),
    }  # fmt: skip


_FRAMEWORKS: dict[str, Callable[[], Facts]] = {
    "torchscript": _torch,
    "savedmodel": _tensorflow,
    "onnx": _onnxruntime,
}
