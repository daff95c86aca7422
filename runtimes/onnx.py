"""Serves ONNX artifacts with ONNX Runtime."""

from __future__ import annotations

import contextlib
import ctypes
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnxruntime as ort

from runtimes.arrays import Array, to_array, to_tensor
from runtimes.batch_size import max_batch_size
from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Datatype, Signature, Tensor, byte_size
from runtimes.device import CPU, cuda_index, device_name
from runtimes.onnx_file import check_external_data, read
from runtimes.onnx_placement import (
    CUDA,
    RECORD,
    may_have_cuda,
    nodes_on_cpu,
    profiled,
    profiling,
    recorded,
    records_placement,
    why_no_cuda,
)
from runtimes.onnx_profile import OnnxProfiler
from runtimes.onnx_settings import OPTIONS, cuda_settings, session_options
from runtimes.options import Options
from runtimes.precision import check_precision, precision_fact
from runtimes.probe import check_outputs, conclusive, probe_inputs
from runtimes.reasons import clean_reason
from runtimes.runtime import InputError, LoadError, ModelError
from runtimes.signature import FoundTensor, reconcile

CPU_PROVIDER = "CPUExecutionProvider"

DATATYPES: dict[str, Datatype] = {
    "tensor(bool)": Datatype.BOOL,
    "tensor(uint8)": Datatype.UINT8,
    "tensor(uint16)": Datatype.UINT16,
    "tensor(uint32)": Datatype.UINT32,
    "tensor(uint64)": Datatype.UINT64,
    "tensor(int8)": Datatype.INT8,
    "tensor(int16)": Datatype.INT16,
    "tensor(int32)": Datatype.INT32,
    "tensor(int64)": Datatype.INT64,
    "tensor(float16)": Datatype.FP16,
    "tensor(bfloat16)": Datatype.BF16,
    "tensor(float)": Datatype.FP32,
    "tensor(double)": Datatype.FP64,
    "tensor(string)": Datatype.BYTES,
}
ONNX_BFLOAT16 = 16  # TensorProto.DataType

Provider = str | tuple[str, dict[str, str]]


class OnnxRuntime:
    """Loads `.onnx` files, external data included; the options are in `onnx_settings`."""

    name = "onnx"
    warmup_passes = 1

    def preload(self) -> None:
        """Nothing is left to do: importing this module imports ONNX Runtime."""

    def load(self, spec: ModelSpec) -> OnnxModel:
        """Load on the device and prove it. Raises LoadError."""
        check_precision(spec, "an ONNX model")
        options = Options(spec, OPTIONS)
        file = read(spec.artifact)
        check_external_data(file, spec.artifact)
        if spec.device != "auto":
            return _load(spec, options, file.unranked, cuda_index(spec.device))
        if not may_have_cuda():
            return _load(spec, options, file.unranked, None)
        try:
            return _load(spec, options, file.unranked, 0)
        except LoadError as error:
            model = _load(spec, options, file.unranked, None)
            model.facts = {**model.facts, "auto": f"not on a GPU: {error}"}
            return model


class OnnxModel:
    """A session; see `LoadedModel`."""

    profiler: Callable[[], OnnxProfiler]
    """See ProfiledModel; there for the model that serves."""

    def __init__(
        self,
        spec: ModelSpec,
        session: ort.InferenceSession,
        signature: Signature,
        device: str,
    ) -> None:
        self.signature = signature
        self.max_batch_size = max_batch_size(spec.max_batch_size, signature, spec.batching)
        self.device = device
        self.facts: Mapping[str, str] = {}
        self.spec = spec
        self._session = session
        self._outputs = {item.name: item.datatype for item in signature.outputs}
        kinds = {item.datatype for item in (*signature.inputs, *signature.outputs)}
        # On a CPU `run` reads and gives arrays in place as well, and is quicker than binding; but
        # numpy has no bfloat16.
        bound = Datatype.BF16 in kinds or (device != CPU and Datatype.BYTES not in kinds)
        self._infer = self._infer_bound if bound else self._infer_arrays

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> list[Tensor]:
        """Run the session; raises ModelError."""
        feeds = {tensor.name: _array(tensor) for tensor in inputs}
        try:
            return self._infer(inputs, feeds, list(outputs))
        except ModelError:
            raise
        except Exception as error:  # ONNX Runtime's classes share no base but this
            raise ModelError(clean_reason(error, self.spec)) from error

    def swap(self, session: ort.InferenceSession) -> ort.InferenceSession:
        """Use `session` from here on; the one that was used."""
        used, self._session = self._session, session
        return used

    def _infer_arrays(
        self, _inputs: Sequence[Tensor], feeds: Mapping[str, Array], names: list[str]
    ) -> list[Tensor]:
        results = self._session.run(names, feeds)
        return [
            to_tensor(name, self._outputs[name], np.asarray(result))
            for name, result in zip(names, results, strict=True)
        ]

    def _infer_bound(
        self, inputs: Sequence[Tensor], feeds: Mapping[str, Array], names: list[str]
    ) -> list[Tensor]:
        """By IO binding: inputs where they lie, only the outputs asked for, all of them on the CPU
        after one wait for the device.
        """
        binding = self._session.io_binding()
        for item in inputs:
            array = feeds[item.name]
            if item.datatype is Datatype.BF16:
                value = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, ONNX_BFLOAT16)
                binding.bind_ortvalue_input(item.name, value)
            else:
                binding.bind_cpu_input(item.name, array)
        for name in names:
            binding.bind_output(name, CPU)
        self._session.run_with_iobinding(binding)
        return [
            _bf16(name, result)
            if self._outputs[name] is Datatype.BF16
            else to_tensor(name, self._outputs[name], np.asarray(result.numpy()))
            for name, result in zip(names, binding.get_outputs(), strict=True)
        ]


def _array(tensor: Tensor) -> Array:
    array = to_array(tensor)
    if tensor.datatype is not Datatype.BYTES:
        return array
    texts = np.empty(array.size, dtype=object)
    try:
        # ONNX strings are UTF-8, and ONNX Runtime takes bytes for an object to be printed.
        texts[:] = [element.decode() for element in array.reshape(-1).tolist()]
    except UnicodeDecodeError:
        raise InputError(
            f"input '{tensor.name}' has an element that is not UTF-8, which ONNX strings must be"
        ) from None
    return texts.reshape(array.shape)


def _bf16(name: str, value: ort.OrtValue) -> Tensor:
    """The bits of a BF16 output, which neither numpy nor its DLPack can take out."""
    shape = tuple(value.shape())
    size = byte_size(Datatype.BF16, shape) or 0
    if value.device_name().lower() != CPU:
        raise ModelError(f"output '{name}' was left on {value.device_name()}. This is a bug.")
    return Tensor(name, Datatype.BF16, shape, ctypes.string_at(value.data_ptr(), size))


def _load(
    spec: ModelSpec, options: Options, unranked: frozenset[str], index: int | None
) -> OnnxModel:
    settings = session_options(spec, options)
    providers: list[Provider] = [CPU_PROVIDER]
    if index is not None:
        _require_cuda(index)
        providers.insert(0, (CUDA, cuda_settings(spec, options, index)))
        if records_placement():
            settings.add_session_config_entry(RECORD, "1")
    session = _session(spec, settings, providers)
    if index is not None and CUDA not in session.get_providers():
        raise LoadError(f"device 'cuda:{index}' cannot be used: {why_no_cuda()}")
    model = OnnxModel(spec, session, _signature(session, spec, unranked), device_name(index))

    model.facts = {
        "framework": f"ONNX Runtime {ort.__version__}",
        "providers": ", ".join(session.get_providers()),
        "precision": precision_fact(spec, on_gpu=index is not None),
        "probe": _probe(model),
    }
    model.profiler = lambda: OnnxProfiler(
        session_options(spec, options), lambda made: _session(spec, made, providers), model.swap
    )
    if index is not None:
        nodes = recorded(session) if records_placement() else _profile(model, settings, providers)
        model.facts = {**model.facts, "nodes_on_cpu": nodes_on_cpu(nodes)}
    return model


def _session(
    spec: ModelSpec, settings: ort.SessionOptions, providers: list[Provider]
) -> ort.InferenceSession:
    try:
        # By default a failing provider is replaced by the CPU with no more than a print.
        return ort.InferenceSession(
            spec.artifact, settings, providers, enable_fallback=0, read_config_from_model=0
        )
    except Exception as error:  # ONNX Runtime's classes share no base but this
        raise LoadError(f"ONNX Runtime cannot load it: {clean_reason(error, spec)}") from None


def _profile(
    model: OnnxModel, settings: ort.SessionOptions, providers: list[Provider]
) -> Counter[str]:
    """Where a trial run in a second session put its nodes; empty where there is no telling."""
    inputs = probe_inputs(model.signature)
    if inputs is None:
        return Counter()
    with profiling(settings):
        session = _session(model.spec, settings, providers)
        other = OnnxModel(model.spec, session, model.signature, model.device)
        with contextlib.suppress(ModelError):
            other.infer(inputs, [item.name for item in model.signature.outputs])
        return profiled(session)


def _require_cuda(index: int) -> None:
    if not may_have_cuda():
        raise LoadError(f"device 'cuda:{index}' cannot be used: {why_no_cuda()}")
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # CUDA and cuDNN from their pip packages, where those are installed


def _signature(
    session: ort.InferenceSession, spec: ModelSpec, unranked: frozenset[str]
) -> Signature:
    return Signature(
        *(
            reconcile(kind, declared, [_found(kind, item, unranked) for item in items])
            for kind, declared, items in (
                ("input", spec.inputs, session.get_inputs()),
                ("output", spec.outputs, session.get_outputs()),
            )
        )
    )


def _found(kind: str, item: ort.NodeArg, unranked: frozenset[str]) -> FoundTensor:
    datatype = DATATYPES.get(item.type)
    if datatype is None:
        hint = " (for scikit-learn models export with zipmap=False)" if "map(" in item.type else ""
        raise LoadError(f"{kind} '{item.name}' is {item.type}, which no request can carry{hint}")
    # ONNX Runtime shows an unknown rank as a scalar; symbolic and unknown sizes are not numbers.
    if not item.shape and item.name in unranked:
        return FoundTensor(item.name, datatype, None)
    shape = tuple(dim if isinstance(dim, int) and dim >= 0 else -1 for dim in item.shape)
    return FoundTensor(item.name, datatype, shape)


def _probe(model: OnnxModel) -> str:
    inputs = probe_inputs(model.signature)
    if inputs is None:
        return "skipped: the inputs are very large"
    try:
        outputs = model.infer(inputs, [item.name for item in model.signature.outputs])
    except ModelError as error:
        if conclusive(model.signature):
            raise LoadError(f"a trial run on zeros failed: {error}") from None
        return f"inconclusive: {error}"
    check_outputs(outputs, model.signature)
    return "passed"
