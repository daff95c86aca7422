"""Answers every input with itself and fails on demand: for tests and for measuring the gateway.

Output i is input i. Without declared inputs there is one, `input`, INT32 [-1, -1]; without
declared outputs they are the inputs' names with `_out` added. Options:

    delay_ms                        every call takes at least this long
    fail_on, crash_on, hang_on      an input whose buffer holds this value (a text, or a number
                                    0-255 for that byte) makes the call fail, end the process
                                    (exit code 1), or never return
    sticky_on                       likewise: the call fails as CUDA does once its context is broken
    hang                            every call never returns
    load_ms                         loading takes at least this long
    fail_load, exit_on_load         loading fails with this reason, or ends the process
    say                             loading prints this text
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from runtimes.batch_size import max_batch_size
from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec
from runtimes.device import CPU, choose
from runtimes.options import Options
from runtimes.precision import check_precision
from runtimes.runtime import LoadError, ModelError

OPTIONS = (
    "delay_ms",
    "fail_on",
    "crash_on",
    "hang_on",
    "sticky_on",
    "hang",
    "load_ms",
    "fail_load",
    "exit_on_load",
    "say",
)
DEFAULT_INPUTS = (TensorSpec("input", Datatype.INT32, (-1, -1)),)
EXIT_CODE = 1


class EchoRuntime:
    """Loads nothing: the artifact is not opened."""

    name = "echo"
    warmup_passes = 0

    def preload(self) -> None:
        """There is no framework."""

    def load(self, spec: ModelSpec) -> EchoModel:
        """A model of the declared signature. Raises LoadError."""
        check_precision(spec)
        choose(spec.device, 0, "echo", cuda=False)
        options = Options(spec, OPTIONS)
        if text := options.text("say"):
            print(text, flush=True)
        time.sleep((options.integer("load_ms", 0) or 0) / 1000)
        if options.flag("exit_on_load"):
            os._exit(EXIT_CODE)
        if reason := options.text("fail_load"):
            raise LoadError(reason)
        return EchoModel(_signature(spec), spec, options)


class EchoModel:
    """Gives back what it gets; see `LoadedModel`."""

    def __init__(self, signature: Signature, spec: ModelSpec, options: Options) -> None:
        self.signature = signature
        self.max_batch_size = max_batch_size(spec.max_batch_size, signature, spec.batching)
        self.device = CPU
        self.facts: Mapping[str, str] = {"framework": "echo"}
        self._delay = (options.integer("delay_ms", 0) or 0) / 1000
        self._hang = options.flag("hang") or False
        self._fail_on, self._crash_on, self._hang_on, self._sticky_on = (
            _trigger(options, name) for name in ("fail_on", "crash_on", "hang_on", "sticky_on")
        )
        self._sources = {
            output.name: source.name
            for output, source in zip(signature.outputs, signature.inputs, strict=True)
        }

    def profiler(self) -> NoReturn:
        """Always ModelError: there is nothing inside that could be profiled."""
        raise ModelError("the echo runtime has no profiler")

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> list[Tensor]:
        """The inputs under their outputs' names."""
        if self._delay:
            time.sleep(self._delay)
        if _holds(inputs, self._crash_on):
            os._exit(EXIT_CODE)
        if self._hang or _holds(inputs, self._hang_on):
            threading.Event().wait()
        if _holds(inputs, self._sticky_on):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if _holds(inputs, self._fail_on):
            raise ModelError("echo was told to fail on this input")
        given = {tensor.name: tensor for tensor in inputs}
        return [replace(given[self._sources[name]], name=name) for name in outputs]


def _holds(inputs: Sequence[Tensor], trigger: bytes | None) -> bool:
    return trigger is not None and any(trigger in bytes(tensor.data) for tensor in inputs)


def _trigger(options: Options, name: str) -> bytes | None:
    value = options.value(name)
    if value is None or (isinstance(value, str) and value):
        return value.encode() if value else None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
        raise LoadError(f"option '{name}' is '{value}', expected a text or a byte, 0 to 255")
    return bytes([value])


def _signature(spec: ModelSpec) -> Signature:
    inputs = tuple(replace(item, optional=False) for item in spec.inputs) or DEFAULT_INPUTS
    outputs = spec.outputs or tuple(replace(item, name=f"{item.name}_out") for item in inputs)
    if len(inputs) != len(outputs):
        raise LoadError(
            f"{len(inputs)} inputs but {len(outputs)} outputs are declared; echo needs as many"
        )
    for source, output in zip(inputs, outputs, strict=True):
        if source.datatype is not output.datatype:
            raise LoadError(
                f"output '{output.name}' is declared as {output.datatype}, but it echoes input "
                f"'{source.name}', which is {source.datatype}"
            )
    return Signature(inputs, outputs)
