"""Planes with a few models for tests of TensorFlow Serving's API; most give their inputs back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from runtimes.contract.codes import Code
from runtimes.contract.messages import Timings
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec, pack_bytes
from server.errors import InvalidArgument, NotFound, Unavailable
from server.exchange import Exchange, Observer
from server.inference import InferenceRequest, InferenceResponse, check
from server.planes import IndexEntry, ModelMetadata
from server.repository.served import ServedModel
from server.repository.settings import ModelSettings

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def spec(name: str, datatype: Datatype, *shape: int, optional: bool = False) -> TensorSpec:
    return TensorSpec(name, datatype, shape, optional)


def mirror(*specs: TensorSpec) -> Signature:
    return Signature(specs, specs)


EXAMPLES = spec("inputs", Datatype.BYTES, -1)
CLASSES = spec("classes", Datatype.BYTES, -1, 2)
SCORES = spec("scores", Datatype.FP32, -1, 2)
FEATURES = (
    spec("a", Datatype.FP32, -1, 2),
    spec("b", Datatype.INT64, -1),
    spec("c", Datatype.BYTES, -1),
)

MODELS: Mapping[str, Signature] = {
    "every": mirror(*(spec(d.value, d, -1, optional=True) for d in Datatype)),
    "rows": mirror(spec("x", Datatype.FP32, -1, 2)),
    "deep": mirror(spec("x", Datatype.FP64, -1, -1, -1)),
    "scalar": mirror(spec("x", Datatype.FP32)),
    "ints": mirror(spec("x", Datatype.INT32, -1)),
    "half": mirror(spec("x", Datatype.FP16, -1)),
    "text": mirror(spec("t", Datatype.BYTES, -1)),
    "raw": mirror(spec("t_bytes", Datatype.BYTES, -1)),
    "pair": mirror(spec("a", Datatype.INT32, -1), spec("b", Datatype.BYTES, -1)),
    "named": Signature(FEATURES, (spec("p", Datatype.FP32, -1, 2),)),
}
SIGNED: Mapping[str, tuple[Signature, str]] = {
    "serving_default": (mirror(spec("x", Datatype.FP32, -1)), "tensorflow/serving/predict"),
    "second": (mirror(spec("z", Datatype.INT32, -1)), "tensorflow/serving/predict"),
    "to_classes": (Signature((EXAMPLES,), (CLASSES, SCORES)), CLASSIFY),
    "to_values": (Signature((EXAMPLES,), (spec("outputs", Datatype.FP32, -1, 1),)), REGRESS),
}
"""The signatures of the model `signed`."""

ENTRIES = (
    IndexEntry("broken", "1", "FAILED", "no such op"),
    IndexEntry("empty", "", "ENDED"),
    IndexEntry("rows", "1", "ENDED"),
    IndexEntry("rows", "2", "DRAINING"),
    IndexEntry("rows", "3", "READY", "version 4 is incomplete"),
    IndexEntry("rows", "4", "NEW", "incomplete"),
    IndexEntry("rows", "5", "WARMING"),
)


@dataclass
class Planes:
    """Data and control plane in one."""

    failure: Exception | None = None
    asked: list[InferenceRequest] = field(default_factory=list)
    exchanges: list[tuple[Exchange, Code | None]] = field(default_factory=list)
    replaced: list[Sequence[ServedModel]] = field(default_factory=list)
    observer: Observer | None = None

    def exchange(self, protocol: str, model: str = "", version: str = "") -> Exchange:
        return Exchange(protocol, self._ended, model, version, self.observer)

    def _ended(self, exchange: Exchange, code: Code | None) -> None:
        self.exchanges.append((exchange, code))

    async def infer(self, request: InferenceRequest, exchange: Exchange) -> InferenceResponse:
        exchange.sent_ns = exchange.received_ns = time.monotonic_ns()
        metadata = self.metadata(request.model, request.version)
        if self.failure is not None:
            raise self.failure
        self.asked.append(request)
        signature = metadata.signatures.get(request.signature or metadata.default_signature)
        signature = signature or metadata.signature
        check(request, signature, 0)
        given = {tensor.name: tensor for tensor in request.inputs}
        rows = request.inputs[0].shape[0] if request.inputs and request.inputs[0].shape else 1
        wanted = request.outputs or tuple(s.name for s in signature.outputs if s.name in given)
        outputs = tuple(given.get(name) or computed(name, rows) for name in wanted)
        return InferenceResponse(request.model, "3", "", outputs, Timings())

    def metadata(self, model: str, version: str) -> ModelMetadata:
        if model == "asleep":
            raise Unavailable("'asleep' version 1 is not at ready state")
        if model not in (*MODELS, "signed"):
            raise NotFound(f"Request for unknown model: '{model}' is not found")
        if version not in ("", "3", "stable"):
            raise NotFound(f"Request for unknown model: '{model}' version {version} is not found")
        settings = ModelSettings(model, output_labels={"p": ("cat", "dog")})
        if model != "signed":
            return ModelMetadata(model, 3, (3,), "p", "onnx", MODELS[model], 0, settings)
        return ModelMetadata(
            model, 3, (3,), "p", "savedmodel", SIGNED["serving_default"][0], 0, settings,
            signatures={name: one for name, (one, _) in SIGNED.items()},
            method_names={name: method for name, (_, method) in SIGNED.items()},
        )  # fmt: skip

    async def index(self, ready_only: bool) -> Sequence[IndexEntry]:
        return ENTRIES

    async def replace_models(self, models: Sequence[ServedModel]) -> None:
        if self.failure is not None:
            raise self.failure
        self.replaced.append(models)


def computed(name: str, rows: int) -> Tensor:
    """An output that is no input: two classes, two scores or one value for each row."""
    if name == "classes":
        return Tensor(name, Datatype.BYTES, (rows, 2), pack_bytes([b"no", b"yes"] * rows))
    if name not in ("scores", "outputs", "p"):
        raise InvalidArgument(f"no output {name}")
    width = 1 if name == "outputs" else 2
    values = np.arange(rows * width, dtype="<f4") / 4
    return Tensor(name, Datatype.FP32, (rows, width), values.tobytes())
