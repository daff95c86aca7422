"""Every runtime by its name, imported only when asked for: an environment may have but one."""

from __future__ import annotations

import re
from collections.abc import Callable

from runtimes.runtime import LoadError, Runtime


def _torchscript() -> Runtime:
    from runtimes.torchscript import TorchScriptRuntime

    return TorchScriptRuntime()


def _savedmodel() -> Runtime:
    from runtimes.savedmodel import SavedModelRuntime

    return SavedModelRuntime()


def _onnx() -> Runtime:
    from runtimes.onnx import OnnxRuntime

    return OnnxRuntime()


def _echo() -> Runtime:
    from runtimes.echo import EchoRuntime

    return EchoRuntime()


RUNTIMES: dict[str, Callable[[], Runtime]] = {
    "torchscript": _torchscript,
    "savedmodel": _savedmodel,
    "onnx": _onnx,
    "echo": _echo,
}

_EXTRAS = {"torchscript": "torch", "savedmodel": "tensorflow", "onnx": "onnx"}


def create_runtime(name: str) -> Runtime:
    """The runtime called `name`, its framework imported.

    Raises LoadError for an unknown name and where this interpreter lacks the framework.
    """
    factory = RUNTIMES.get(name)
    if factory is None:
        raise LoadError(f"unknown runtime '{name}'; known are {', '.join(sorted(RUNTIMES))}")
    try:
        return factory()
    except ImportError as error:
        extra = _EXTRAS.get(name, name)
        reason = re.sub(r" \(/[^)]*\)", "", str(error))  # without the file's path
        raise LoadError(
            f"runtime '{name}' cannot be used from this interpreter: {reason}. Install "
            f"underway[{extra}] there, or set runtimes.{name}.python to one that has it"
        ) from error
