"""Tells in time, and in words, what is not installed."""

from __future__ import annotations

from importlib.util import find_spec

from server.demo.errors import DemoError

MODULES = ("numpy", "torch", "tensorflow", "onnx", "onnxruntime", "sklearn", "yaml")
INSTALL = "pip install 'underway[torch,tensorflow,onnx,demo]'"


def check() -> None:
    """Raise DemoError naming every missing module and the command that brings them."""
    missing = [module for module in MODULES if find_spec(module) is None]
    if missing:
        raise DemoError(
            f"building the demo models needs {', '.join(missing)}, not installed here. "
            f"Run: {INSTALL}"
        )


def broken(error: ImportError) -> DemoError:
    """The same for what is installed but can't be imported."""
    return DemoError(f"a framework can't be imported ({error}). Run: {INSTALL}")
