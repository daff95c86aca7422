"""Which device a model is to run on, decided from its configuration and what the framework sees."""

from __future__ import annotations

import re

from runtimes.runtime import LoadError

CPU = "cpu"

_CUDA = re.compile(r"cuda:(\d{1,4})")


def cuda_index(device: str) -> int | None:
    """N for `cuda:N`, None for `cpu`. Raises LoadError for any other word."""
    if device == CPU:
        return None
    if found := _CUDA.fullmatch(device):
        return int(found[1])
    raise LoadError(f"device is '{device}', expected 'auto', 'cpu' or 'cuda:N'")


def choose(device: str, visible: int, framework: str) -> int | None:
    """The CUDA index to use, None for the CPU; `auto` takes the first GPU where there is one.

    `visible` is how many GPUs `framework` sees in this process. Raises LoadError for one that is
    not there.
    """
    if device == "auto":
        return 0 if visible else None
    index = cuda_index(device)
    if index is not None and index >= visible:
        raise LoadError(f"device '{device}' is asked for, but {framework} sees {_gpus(visible)}")
    return index


def device_name(index: int | None) -> str:
    """`cpu` or `cuda:N`."""
    return CPU if index is None else f"cuda:{index}"


def _gpus(visible: int) -> str:
    if not visible:
        return "no GPU in this environment; its build may be for CPU only"
    return f"only cuda:0 to cuda:{visible - 1}" if visible > 1 else "only cuda:0"
