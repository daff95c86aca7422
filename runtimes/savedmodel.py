"""Serves SavedModel artifacts with TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

# Before the import, which is when TensorFlow reads it: warnings and errors only.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

import numpy as np
import tensorflow as tf

from runtimes.arrays import Array, aligned, to_array, to_tensor
from runtimes.batch_size import max_batch_size
from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import PREDICT, Datatype, Signature, Tensor
from runtimes.device import choose, device_name
from runtimes.options import Options
from runtimes.precision import check_precision, precision_fact
from runtimes.probe import check_outputs, conclusive, probe_inputs
from runtimes.reasons import clean_reason
from runtimes.runtime import LoadError, ModelError, RecordedRequest
from runtimes.savedmodel_signatures import (
    Concrete,
    choose_default,
    method_names,
    named_functions,
    read_signature,
    writes,
)
from runtimes.serving_warmup import recorded_requests
from runtimes.tensorflow_profile import TensorFlowProfiler

CPU = "/CPU:0"
GPU = "/GPU:0"  # the only one left visible to this process, whatever its number was

_BF16: np.dtype[np.generic] = np.dtype(tf.bfloat16.as_numpy_dtype)
_FLOATS = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


class SavedModelRuntime:
    """Loads SavedModel folders, all their signatures. Option: `signature`, the default one."""

    name = "savedmodel"
    warmup_passes = 1

    def preload(self) -> None:
        """Nothing is left to do: importing this module imports TensorFlow."""

    def load(self, spec: ModelSpec) -> SavedModel:
        """Load on the device and prove it. Raises LoadError."""
        check_precision(spec, "a SavedModel")
        wanted = Options(spec, ["signature"]).text("signature")
        visible = len(tf.config.list_physical_devices("GPU"))
        index = choose(spec.device, visible, "TensorFlow", cuda=tf.test.is_built_with_cuda())
        _configure(spec, index)
        placement = CPU if index is None else GPU
        try:
            with tf.device(placement):
                loaded = tf.saved_model.load(spec.artifact)
        except Exception as error:  # TensorFlow raises half of Python's classes here
            raise LoadError(f"TensorFlow cannot load it: {clean_reason(error, spec)}") from None
        functions = named_functions(loaded)
        default = choose_default(functions, wanted)
        on_gpu = index is not None
        model = SavedModel(spec, loaded, functions.pop(default), device_name(index), placement)
        model.facts = {
            "framework": f"TensorFlow {tf.__version__}",
            "signature": default,
            "precision": precision_fact(spec, on_gpu=on_gpu),
            "probe": _prove(model, on_gpu),
        }
        model.add_signatures(default, functions, on_gpu)
        return model


class SavedModel:
    """A loaded signature; see `LoadedModel`. The default one also has the others by name."""

    def __init__(
        self,
        spec: ModelSpec,
        loaded: tf.Module,
        function: Concrete,
        device: str,
        placement: str,
    ) -> None:
        self.signature, self._names = read_signature(loaded, function, spec)
        self.max_batch_size = max_batch_size(spec.max_batch_size, self.signature, spec.batching)
        self.device = device
        self.facts: Mapping[str, str] = {}
        self.signatures: Mapping[str, SavedModel] = {}
        self.method_names: Mapping[str, str] = {}
        self.not_to_try: Mapping[str, str] = {}
        self._spec = spec
        # The function alone does not keep its variables alive.
        self._loaded = loaded
        self._function = function
        self._placement = placement
        self._outputs = {item.name: item.datatype for item in self.signature.outputs}

    def add_signatures(self, own: str, others: Mapping[str, Concrete], on_gpu: bool) -> None:
        """Serve `others` too, as far as each can be; this one is called `own`."""
        methods = method_names(self._spec.artifact)
        found, left_out, not_to_try = {own: self}, {}, {}
        for name in sorted(others):
            if wrote := writes(others[name]):
                not_to_try[name] = f"it changes the model or files ({wrote})"
            try:
                found[name] = self._another(others[name], on_gpu and not wrote, not wrote)
            except LoadError as error:
                left_out[name] = str(error)
                print(f"signature '{name}' is not served: {error}", flush=True)
        self.signatures = found
        self.method_names = {name: methods.get(name, PREDICT) for name in found}
        self.not_to_try = not_to_try
        if len(found) > 1:
            self.facts = {**self.facts, "signatures": ", ".join(found)}
        if left_out:
            said = "; ".join(f"'{name}': {reason}" for name, reason in left_out.items())
            self.facts = {**self.facts, "signatures left out": said}

    def _another(self, function: Concrete, on_gpu: bool, try_it: bool) -> SavedModel:
        """Another signature of the same SavedModel; the settings' tensors are the default's."""
        spec = replace(self._spec, inputs=(), outputs=(), max_batch_size=None)
        model = SavedModel(spec, self._loaded, function, self.device, self._placement)
        if model.max_batch_size and self._spec.max_batch_size is not None:
            model.max_batch_size = self._spec.max_batch_size
        if try_it:
            model.facts = {"probe": _prove(model, on_gpu)}
        return model

    def recorded(self) -> Iterator[RecordedRequest]:
        """The requests that TensorFlow Serving would warm up with. Raises LoadError."""
        named = {name: one.own_signature for name, one in self.signatures.items()}
        default = self.facts["signature"]
        for one in recorded_requests(self._spec.artifact, default, named):
            yield self.signatures[one.signature].as_shown(one)

    @property
    def own_signature(self) -> Signature:
        """The signature under the artifact's own names."""
        inputs = tuple(replace(x, name=self._names.inputs[x.name]) for x in self.signature.inputs)
        return replace(self.signature, inputs=inputs)

    def as_shown(self, request: RecordedRequest) -> RecordedRequest:
        """`request`, which has the artifact's own names, as a client would ask it."""
        shown = {own: name for name, own in self._names.inputs.items()}
        inputs = (replace(x, name=shown.get(x.name, x.name)) for x in request.inputs)
        return replace(request, inputs=tuple(inputs))

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> list[Tensor]:
        """Call the signature; raises ModelError."""
        found = self.run(inputs)
        own = self._names.outputs
        return [self._to_tensor(name, found[own[name]]) for name in outputs]

    def run(self, inputs: Sequence[Tensor]) -> Mapping[str, tf.Tensor]:
        """All outputs by their own names, still on the device. Raises ModelError."""
        own = self._names.inputs
        try:
            with tf.device(self._placement):
                found: Mapping[str, tf.Tensor] = self._function(
                    **{own[tensor.name]: _from_tensor(tensor, self._placement) for tensor in inputs}
                )
        except Exception as error:  # TensorFlow's own and what a py_function raises
            raise ModelError(clean_reason(error, self._spec)) from error
        return found

    def profiler(self) -> TensorFlowProfiler:
        """See ProfiledModel."""
        return TensorFlowProfiler()

    def variables(self) -> list[tuple[str, bool, str]]:
        """Name, whether floating, and device of every variable the signature reads."""
        return [
            (variable.name, variable.dtype in _FLOATS, variable.device)
            for variable in self._function.variables
        ]

    def _to_tensor(self, name: str, value: tf.Tensor) -> Tensor:
        if self._placement == CPU and value.dtype not in (tf.string, tf.bfloat16):
            array = np.asarray(memoryview(value))  # its own memory; numpy() would copy it
        else:
            array = np.asarray(value.numpy(), dtype=object if value.dtype == tf.string else None)
        return to_tensor(name, self._outputs[name], array)


def _from_tensor(tensor: Tensor, placement: str) -> tf.Tensor:
    array: Array = to_array(tensor)
    if tensor.datatype is Datatype.BYTES:
        with tf.device(CPU):  # strings live nowhere else
            return tf.constant(array, dtype=tf.string)
    if tensor.datatype is Datatype.BF16:
        return tf.convert_to_tensor(array.view(_BF16))
    if placement != CPU:
        return tf.convert_to_tensor(array)
    # In place, where convert_to_tensor would copy. TensorFlow aborts on memory out of line.
    lent = aligned(array).__dlpack__()  # type: ignore[misc]  # it is of numbers or booleans
    return tf.experimental.dlpack.from_dlpack(lent)


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
