"""Which device a model is to run on, decided from its configuration and what the framework sees."""

from __future__ import annotations

import ctypes
import re

from runtimes.runtime import LoadError

CPU = "cpu"

DRIVER = "libcuda.so.1"

_CUDA = re.compile(r"cuda:(\d{1,4})")


def cuda_index(device: str) -> int | None:
    """N for `cuda:N`, None for `cpu`. Raises LoadError for any other word."""
    if device == CPU:
        return None
    if found := _CUDA.fullmatch(device):
        return int(found[1])
    raise LoadError(f"device is '{device}', expected 'auto', 'cpu' or 'cuda:N'")


def choose(device: str, visible: int, framework: str, *, cuda: bool) -> int | None:
    """The CUDA index to use, None for the CPU; `auto` takes the first GPU where there is one.

    `visible` is how many GPUs `framework` sees in this process, `cuda` whether it was built for
    any. Raises LoadError for one that is not there.
    """
    if device == "auto":
        return 0 if visible else None
    index = cuda_index(device)
    if index is not None and index >= visible:
        seen = _gpus(visible) if visible else f"no GPU: {why_no_gpu(cuda=cuda)}"
        raise LoadError(f"device '{device}' is asked for, but {framework} sees {seen}")
    return index


def device_name(index: int | None) -> str:
    """`cpu` or `cuda:N`."""
    return CPU if index is None else f"cuda:{index}"


def why_no_gpu(*, cuda: bool) -> str:
    """What there is to do about it, for a framework that was built with or without `cuda`."""
    if not cuda:
        return "it is built without CUDA"
    if not has_driver():
        return f"NVIDIA's driver ({DRIVER}) is not there; a container must be given its GPU"
    return "is one hidden (CUDA_VISIBLE_DEVICES), the driver too old, or a CUDA library missing?"


def has_driver() -> bool:
    """Whether the part of NVIDIA's driver that programs use is there: never from a package."""
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return True


def _gpus(visible: int) -> str:
    return f"only cuda:0 to cuda:{visible - 1}" if visible > 1 else "only cuda:0"
