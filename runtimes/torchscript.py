"""Serves TorchScript artifacts with PyTorch."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

# Before the import, which is when PyTorch reads it. Where Triton is installed, PyTorch's `bmm` on a
# GPU would else be compiled while a request waits, and fail where there is no C compiler.
os.environ.setdefault("TORCH_DISABLE_NATIVE_JIT", "1")

import numpy as np
import torch

from runtimes.arrays import to_array, to_tensor
from runtimes.batch_size import max_batch_size
from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec
from runtimes.cuda_graphs import graph_sizes, why_no_graphs
from runtimes.device import choose, device_name
from runtimes.options import Options
from runtimes.precision import check_precision, precision_fact
from runtimes.probe import check_outputs, conclusive, probe_inputs
from runtimes.reasons import clean_reason
from runtimes.runtime import LoadError, ModelError
from runtimes.torch_cuda import Graph, Shapes, pinned, shapes_of, to_host
from runtimes.torch_profile import TorchProfiler
from runtimes.torch_signature import (
    EXTRA_FILE,
    Argument,
    choose_signature,
    map_inputs,
    map_outputs,
    parse_embedded,
)

DTYPES: dict[Datatype, torch.dtype] = {
    Datatype.BOOL: torch.bool,
    Datatype.UINT8: torch.uint8,
    Datatype.UINT16: torch.uint16,
    Datatype.UINT32: torch.uint32,
    Datatype.UINT64: torch.uint64,
    Datatype.INT8: torch.int8,
    Datatype.INT16: torch.int16,
    Datatype.INT32: torch.int32,
    Datatype.INT64: torch.int64,
    Datatype.FP16: torch.float16,
    Datatype.BF16: torch.bfloat16,
    Datatype.FP32: torch.float32,
    Datatype.FP64: torch.float64,
}


class TorchScriptRuntime:
    """Loads `torch.jit` archives.

    Options: `freeze` (inline the weights and optimise), `cuda_graphs` (record the kernels of each
    batch size and replay them).
    """

    name = "torchscript"
    warmup_passes = 3  # profiling, compiling with what it found, and one to prove it

    def preload(self) -> None:
        """Nothing is left to do: importing this module imports PyTorch."""

    def load(self, spec: ModelSpec) -> TorchScriptModel:
        """Load, move to the device, and prove it. Raises LoadError."""
        check_precision(spec)
        options = Options(spec, ["freeze", "cuda_graphs"])
        freeze = options.flag("freeze") or False
        cuda = torch.version.cuda is not None
        index = choose(spec.device, torch.cuda.device_count(), "PyTorch", cuda=cuda)
        device = torch.device(device_name(index))
        if index is not None:
            # A module that asks for "cuda" without a number means this one.
            torch.cuda.set_device(index)
        _set_threads(spec.threads)
        _set_precision(spec.precision)
        module, extra = _open(spec, device)
        arguments, returns = _forward(module)
        embedded = parse_embedded(extra)
        signature, origin = choose_signature(spec, embedded, arguments, returns)
        _check_datatypes(signature)
        graphs = options.flag("cuda_graphs") or False
        if graphs and (reason := why_no_graphs(spec, signature, on_gpu=index is not None)):
            raise LoadError(f"option 'cuda_graphs' {reason}")
        configured = spec.max_batch_size
        if configured is None:
            configured = embedded.max_batch_size
        model = TorchScriptModel(
            spec=spec,
            module=_prepared(module, spec, freeze),
            signature=signature,
            arguments=arguments,
            max_batch_size=max_batch_size(configured, signature, spec.batching),
            device=device,
        )
        model.facts = {
            "framework": f"PyTorch {torch.__version__}",
            "signature": origin,
            "precision": precision_fact(spec, on_gpu=index is not None),
            "probe": _prove(model, spec),
        }
        if graphs:
            sizes = model.record(graph_sizes(spec))
            model.facts = {**model.facts, "CUDA graphs": sizes}
        return model


class TorchScriptModel:
    """A loaded module; see `LoadedModel`."""

    def __init__(
        self,
        *,
        spec: ModelSpec,
        module: torch.jit.ScriptModule,
        signature: Signature,
        arguments: Sequence[Argument],
        max_batch_size: int,
        device: torch.device,
    ) -> None:
        self.signature = signature
        self.max_batch_size = max_batch_size
        self.device = str(device)
        self.facts: Mapping[str, str] = {}
        self._spec = spec
        self._module = module
        self._device = device
        self._half = spec.precision == "fp16"
        self._arguments = arguments
        self._positions = map_inputs(signature.inputs, arguments)
        self._outputs = {spec.name: spec for spec in signature.outputs}
        self._returned = map_outputs(signature.outputs)
        self._graphs: dict[Shapes, Graph] = {}

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> list[Tensor]:
        """Run forward; raises ModelError, also where it returns other than what was declared."""
        with torch.inference_mode():
            found = self.run(inputs, outputs)
            plain = [self._plain(self._outputs[name], found[name]) for name in outputs]
            values = to_host(plain) if self._device.type == "cuda" else plain
            return [
                _to_tensor(self._outputs[one], at) for one, at in zip(outputs, values, strict=True)
            ]

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> dict[str, torch.Tensor]:
        """The outputs by name, still on the device. Raises ModelError."""
        given = {self._positions[tensor.name]: _from_tensor(tensor) for tensor in inputs}
        try:
            result = self._call(given)
        except Exception as error:  # TorchScript raises what the module does
            raise ModelError(clean_reason(error, self._spec)) from error
        return {name: self._pick(result, name) for name in outputs}

    def record(self, sizes: Sequence[int]) -> str:
        """Record a graph for each of `sizes` rows, 0 for inputs as they are; which there are then.

        Raises LoadError.
        """
        for rows in sorted(sizes, reverse=True):  # the smaller ones fit into what the largest needs
            given = self._ordered(
                {
                    self._positions[item.name]: self._recorded_input(item, rows)
                    for item in self.signature.inputs
                }
            )
            shared = next(iter(self._graphs.values()), None)
            try:
                graph = Graph.record(self._module, given, shared)
            except Exception as error:  # TorchScript raises what the module does
                reason = clean_reason(error, self._spec)
                raise LoadError(
                    f"option 'cuda_graphs': a batch of {rows} rows cannot be recorded: {reason}"
                ) from None
            self._graphs[shapes_of(given)] = graph
        return ", ".join(str(rows) for rows in sizes if rows) or "1 shape"

    def _recorded_input(self, item: TensorSpec, rows: int) -> torch.Tensor:
        shape = (rows, *item.shape[1:]) if rows else item.shape
        half = self._half and item.datatype is Datatype.FP32
        dtype = torch.float16 if half else DTYPES[item.datatype]
        return torch.zeros(shape, dtype=dtype, device=self._device)

    def _call(self, given: Mapping[int, torch.Tensor]) -> object:
        count = len(given)
        if not all(position in given for position in range(count)):
            # An optional argument is left out before another one.
            return self._module(
                **{self._arguments[at].name: self._moved(value) for at, value in given.items()}
            )
        ordered = self._ordered(given)
        graph = self._graphs.get(shapes_of(ordered)) if self._graphs else None
        if graph is not None:
            return graph.replay([pinned(value) for value in ordered])
        return self._module(*map(self._moved, ordered))

    @staticmethod
    def _ordered(given: Mapping[int, torch.Tensor]) -> list[torch.Tensor]:
        return [given[position] for position in range(len(given))]

    def _moved(self, value: torch.Tensor) -> torch.Tensor:
        dtype = torch.float16 if self._half and value.dtype is torch.float32 else value.dtype
        if self._device.type == "cuda":
            return pinned(value).to(self._device, non_blocking=True).to(dtype)
        return value.to(self._device, dtype)

    def profiler(self) -> TorchProfiler:
        """See ProfiledModel."""
        return TorchProfiler()

    def tensors(self) -> list[tuple[str, torch.Tensor]]:
        """Every parameter and buffer with its name."""
        return [*self._module.named_parameters(), *self._module.named_buffers()]

    def _pick(self, result: object, name: str) -> torch.Tensor:
        if isinstance(result, torch.Tensor):
            result = (result,)
        position = self._returned[name]
        if isinstance(result, dict):
            if name not in result:
                keys = ", ".join(f"'{key}'" for key in result)
                raise ModelError(f"output '{name}' is not in what forward returned: {keys}")
            value = result[name]
        elif isinstance(result, tuple | list):
            if position >= len(result):
                raise ModelError(
                    f"forward returned {len(result)} tensors, but output '{name}' is number "
                    f"{position + 1}"
                )
            value = result[position]
        else:
            value = result
        if not isinstance(value, torch.Tensor):
            raise ModelError(f"output '{name}' is a {type(value).__name__}, expected a tensor")
        return value

    def _plain(self, spec: TensorSpec, value: torch.Tensor) -> torch.Tensor:
        """An output in its datatype and in one piece, on the device. Raises ModelError."""
        if self._half and spec.datatype is Datatype.FP32 and value.dtype is torch.float16:
            value = value.float()
        if value.dtype is not DTYPES[spec.datatype]:
            raise ModelError(
                f"output '{spec.name}' came as {value.dtype}, but the signature says "
                f"{spec.datatype}"
            )
        return value.resolve_conj().resolve_neg().contiguous()


def _from_tensor(tensor: Tensor) -> torch.Tensor:
    """The tensor where it lies."""
    array = to_array(tensor)
    if not array.flags.writeable:
        # PyTorch knows no read-only memory, and a module may well work in place.
        array = array.copy()
    value = torch.from_numpy(array)
    return value.view(torch.bfloat16) if tensor.datatype is Datatype.BF16 else value


def _to_tensor(spec: TensorSpec, value: torch.Tensor) -> Tensor:
    value = value.cpu()
    if spec.datatype is Datatype.BF16:
        value = value.view(torch.uint16)
    return to_tensor(spec.name, spec.datatype, np.asarray(value.numpy()))


def _set_threads(threads: int) -> None:
    torch.set_num_threads(max(1, threads))
    # Fixed for good once any model ran in this process.
    with contextlib.suppress(RuntimeError):
        torch.set_num_interop_threads(1)


def _set_precision(precision: str) -> None:
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        wanted = "tf32" if precision == "tf32" else "ieee"
        cudnn: Any = torch.backends.cudnn  # its parts are made at import and have no stubs
        for part in (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn):
            part.fp32_precision = wanted
    else:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"


def _open(spec: ModelSpec, device: torch.device) -> tuple[torch.jit.ScriptModule, bytes]:
    extra: dict[str, str | bytes] = {EXTRA_FILE: ""}
    try:
        with warnings.catch_warnings():
            # TorchScript is deprecated in favour of torch.export; that is no news for an operator.
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(  # type: ignore[no-untyped-call]
                spec.artifact, map_location=device, _extra_files=extra
            )
    except (RuntimeError, ValueError, OSError) as error:
        raise LoadError(f"PyTorch cannot load it: {clean_reason(error, spec)}") from None
    if not hasattr(module, "forward"):
        raise LoadError("the module has no forward method")
    content = extra[EXTRA_FILE]
    return module, content.encode() if isinstance(content, str) else content


def _forward(module: torch.jit.ScriptModule) -> tuple[list[Argument], str]:
    forward: Any = module.forward
    schema = forward.schema
    arguments = [
        Argument(item.name, str(item.type), not item.has_default_value())
        for item in schema.arguments[1:]  # the first is self
    ]
    return arguments, ", ".join(str(item.type) for item in schema.returns)


def _check_datatypes(signature: Signature) -> None:
    for spec in (*signature.inputs, *signature.outputs):
        if spec.datatype not in DTYPES:
            raise LoadError(f"'{spec.name}' is {spec.datatype}, which PyTorch tensors cannot hold")


def _prepared(
    module: torch.jit.ScriptModule, spec: ModelSpec, freeze: bool
) -> torch.jit.ScriptModule:
    try:
        module.eval()
        if spec.precision == "fp16":
            module.half()
        if freeze:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                frozen: torch.jit.ScriptModule = torch.jit.freeze(module)
                return frozen
    except RuntimeError as error:
        raise LoadError(f"PyTorch cannot prepare it: {clean_reason(error, spec)}") from None
    return module


def _prove(model: TorchScriptModel, spec: ModelSpec) -> str:
    """Prove device and signature with a trial run; what came of it, in a word."""
    for name, value in model.tensors():
        if str(value.device) != model.device:
            raise LoadError(f"'{name}' is on {value.device}, expected {model.device}")
    inputs = probe_inputs(model.signature)
    if inputs is None:
        return "skipped: the inputs are very large"
    names = [item.name for item in model.signature.outputs]
    try:
        with torch.inference_mode():
            where = {str(value.device) for value in model.run(inputs, names).values()}
        outputs = model.infer(inputs, names)
    except ModelError as error:
        reason = str(error)
        if not conclusive(model.signature):
            return f"inconclusive: {reason}"
        hint = "; with precision fp16 the whole module is cast" if spec.precision == "fp16" else ""
        raise LoadError(f"a trial run on zeros failed: {reason}{hint}") from None
    if model.device not in where:
        raise LoadError(f"a trial run gave outputs on {where.pop()}, expected {model.device}")
    check_outputs(outputs, model.signature)
    return "passed"
