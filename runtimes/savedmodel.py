"""Serves SavedModel artifacts with TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

# Before the import, which is when TensorFlow reads it: warnings and errors only.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

import numpy as np
import tensorflow as tf

from runtimes.arrays import Array, to_array, to_tensor
from runtimes.batch_size import max_batch_size
from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Datatype, Signature, Tensor
from runtimes.device import choose, device_name
from runtimes.options import Options
from runtimes.precision import check_precision, precision_fact
from runtimes.probe import check_outputs, conclusive, probe_inputs
from runtimes.reasons import clean_reason
from runtimes.runtime import LoadError, ModelError
from runtimes.signature import FoundTensor, reconcile
from runtimes.tensorflow_profile import TensorFlowProfiler

DEFAULT_SIGNATURE = "serving_default"
GPU = "/GPU:0"  # the only one left visible to this process, whatever its number was

DATATYPES: dict[tf.DType, Datatype] = {
    tf.bool: Datatype.BOOL,
    tf.uint8: Datatype.UINT8,
    tf.uint16: Datatype.UINT16,
    tf.uint32: Datatype.UINT32,
    tf.uint64: Datatype.UINT64,
    tf.int8: Datatype.INT8,
    tf.int16: Datatype.INT16,
    tf.int32: Datatype.INT32,
    tf.int64: Datatype.INT64,
    tf.float16: Datatype.FP16,
    tf.bfloat16: Datatype.BF16,
    tf.float32: Datatype.FP32,
    tf.float64: Datatype.FP64,
    tf.string: Datatype.BYTES,
}
_BF16: np.dtype[np.generic] = np.dtype(tf.bfloat16.as_numpy_dtype)
_FLOATS = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


class SavedModelRuntime:
    """Loads SavedModel folders. Option: `signature` (default `serving_default`)."""

    name = "savedmodel"
    warmup_passes = 1

    def preload(self) -> None:
        """Nothing is left to do: importing this module imports TensorFlow."""

    def load(self, spec: ModelSpec) -> SavedModel:
        """Load on the device and prove it. Raises LoadError."""
        check_precision(spec, "a SavedModel")
        wanted = Options(spec, ["signature"]).text("signature") or DEFAULT_SIGNATURE
        index = choose(spec.device, len(tf.config.list_physical_devices("GPU")), "TensorFlow")
        _configure(spec, index)
        placement = "/CPU:0" if index is None else GPU
        try:
            with tf.device(placement):
                loaded = tf.saved_model.load(spec.artifact)
        except Exception as error:  # TensorFlow raises half of Python's classes here
            raise LoadError(f"TensorFlow cannot load it: {clean_reason(error, spec)}") from None
        function = _function(loaded, wanted)
        signature = _signature(function, spec)
        model = SavedModel(
            spec=spec,
            loaded=loaded,
            function=function,
            signature=signature,
            max_batch_size=max_batch_size(spec.max_batch_size, signature, spec.batching),
            device=device_name(index),
            placement=placement,
        )
        model.facts = {
            "framework": f"TensorFlow {tf.__version__}",
            "signature": wanted,
            "precision": precision_fact(spec, on_gpu=index is not None),
            "probe": _prove(model, on_gpu=index is not None),
        }
        return model


class SavedModel:
    """A loaded signature; see `LoadedModel`."""

    def __init__(
        self,
        *,
        spec: ModelSpec,
        loaded: object,
        function: tf.types.experimental.ConcreteFunction,
        signature: Signature,
        max_batch_size: int,
        device: str,
        placement: str,
    ) -> None:
        self.signature = signature
        self.max_batch_size = max_batch_size
        self.device = device
        self.facts: Mapping[str, str] = {}
        self._spec = spec
        # The function alone does not keep its variables alive.
        self._loaded = loaded
        self._function = function
        self._placement = placement
        self._outputs = {item.name: item.datatype for item in signature.outputs}

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> list[Tensor]:
        """Call the signature; raises ModelError."""
        found = self.run(inputs)
        return [self._to_tensor(name, found[name]) for name in outputs]

    def run(self, inputs: Sequence[Tensor]) -> Mapping[str, tf.Tensor]:
        """All outputs by name, still on the device. Raises ModelError."""
        try:
            with tf.device(self._placement):
                found: Mapping[str, tf.Tensor] = self._function(
                    **{tensor.name: _from_tensor(tensor) for tensor in inputs}
                )
        except Exception as error:  # TensorFlow's own and what a py_function raises
            raise ModelError(clean_reason(error, self._spec)) from error
        return found

    def profiler(self) -> TensorFlowProfiler:
        """See ProfiledModel."""
        return TensorFlowProfiler(self)

    def variables(self) -> list[tuple[str, bool, str]]:
        """Name, whether floating, and device of every variable the signature reads."""
        return [
            (variable.name, variable.dtype in _FLOATS, variable.device)
            for variable in self._function.variables
        ]

    def _to_tensor(self, name: str, value: tf.Tensor) -> Tensor:
        array = np.asarray(value.numpy(), dtype=object if value.dtype == tf.string else None)
        return to_tensor(name, self._outputs[name], array)


def _from_tensor(tensor: Tensor) -> tf.Tensor:
    array: Array = to_array(tensor)
    if tensor.datatype is Datatype.BYTES:
        with tf.device("/CPU:0"):  # strings live nowhere else
            return tf.constant(array, dtype=tf.string)
    if tensor.datatype is Datatype.BF16:
        array = array.view(_BF16)
    return tf.convert_to_tensor(array)


def _configure(spec: ModelSpec, index: int | None) -> None:
    """Threads, visible GPU and precision of this process.

    All but the precision can only be set before TensorFlow runs its first operation. A worker
    loads one model, so only a process that loads several (a test) finds them set already.
    """
    gpus = tf.config.list_physical_devices("GPU")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(max(1, spec.threads))
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.set_visible_devices([] if index is None else [gpus[index]], "GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        visible = tf.config.get_visible_devices("GPU")
        if index is not None and visible != [gpus[index]]:
            raise LoadError(f"this process already uses other devices than cuda:{index}") from None
    tf.config.experimental.enable_tensor_float_32_execution(spec.precision == "tf32")


def _function(loaded: tf.Module, wanted: str) -> tf.types.experimental.ConcreteFunction:
    signatures = getattr(loaded, "signatures", {})
    if wanted in signatures:
        return signatures[wanted]
    names = ", ".join(f"'{name}'" for name in sorted(signatures))
    if not names:
        raise LoadError(
            "the SavedModel has no signatures. Save it with "
            "tf.saved_model.save(model, folder, signatures={'serving_default': ...})"
        )
    raise LoadError(
        f"the SavedModel has no signature '{wanted}'; it has {names}. Choose one with the option "
        "'signature' in model.yaml"
    )


def _signature(function: tf.types.experimental.ConcreteFunction, spec: ModelSpec) -> Signature:
    # TensorFlow keeps both as mappings whose order is not the author's: sorted is at least stable.
    inputs = sorted(function.structured_input_signature[1].items())
    outputs = sorted(function.structured_outputs.items())
    return Signature(
        reconcile("input", spec.inputs, [_found("input", *item) for item in inputs]),
        reconcile("output", spec.outputs, [_found("output", *item) for item in outputs]),
    )


def _found(kind: str, name: str, spec: tf.TypeSpec) -> FoundTensor:
    if not isinstance(spec, tf.TensorSpec):
        raise LoadError(
            f"{kind} '{name}' is a {type(spec).__name__}; only dense tensors are served"
        )
    datatype = DATATYPES.get(spec.dtype)
    if datatype is None:
        raise LoadError(f"{kind} '{name}' is {spec.dtype.name}, which no request can carry")
    if spec.shape.rank is None:
        return FoundTensor(name, datatype, None)
    return FoundTensor(
        name, datatype, tuple(-1 if dim is None else dim for dim in spec.shape.as_list())
    )


def _prove(model: SavedModel, on_gpu: bool) -> str:
    """Prove device and signature with a trial run; what came of it, in a word. Raises LoadError."""
    device = "GPU" if on_gpu else "CPU"
    for name, floating, where in model.variables():
        # Integers and strings stay in host memory by TensorFlow's own rules.
        if floating and device not in where:
            raise LoadError(f"variable '{name}' is on {where}, expected {model.device}")
    inputs = probe_inputs(model.signature)
    if inputs is None:
        return "skipped: the inputs are very large"
    try:
        found = model.run(inputs)
        outputs = model.infer(inputs, [item.name for item in model.signature.outputs])
    except ModelError as error:
        if conclusive(model.signature):
            raise LoadError(f"a trial run on zeros failed: {error}") from None
        return f"inconclusive: {error}"
    places = {value.device for value in found.values() if value.dtype in _FLOATS}
    if places and not any(device in place for place in places):
        raise LoadError(f"a trial run gave outputs on {places.pop()}, expected {model.device}")
    check_outputs(outputs, model.signature)
    return "passed"
