"""A data and control plane of one model, `adder`, for tests of the gRPC frontend."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from protos import inference_pb2 as pb
from runtimes.contract.codes import Code
from runtimes.contract.messages import Timings
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec
from server.errors import NotFound, ServingError, Unsupported
from server.exchange import Exchange, Observer
from server.inference import InferenceRequest, InferenceResponse
from server.planes import IndexEntry, ModelMetadata
from server.repository.settings import ModelSettings
from server.statistics import ModelStatistics
from server.switches import Switches
from tests.unit.server.switched import switches

PREFIX = "/inference.GRPCInferenceService/"
SIGNATURE = Signature(
    inputs=(TensorSpec("x", Datatype.FP32, (-1, 2)),),
    outputs=(TensorSpec("y", Datatype.FP32, (-1, 3)),),
)


@dataclass
class Planes:
    """Answers every inference with `outputs`, or `error`, or never while `hang` is set."""

    outputs: tuple[Tensor, ...] = ()
    error: Exception | None = None
    hang: bool = False
    is_ready: bool = True
    asked: list[InferenceRequest] = field(default_factory=list)
    protocols: list[str] = field(default_factory=list)
    exchanges: list[tuple[Exchange, Code | None]] = field(default_factory=list)
    observer: Observer | None = None
    switches: Switches = field(default_factory=switches)
    loaded: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    unloaded: list[tuple[str, bool]] = field(default_factory=list)
    entries: tuple[IndexEntry, ...] = ()
    totals: tuple[ModelStatistics, ...] = ()
    totals_of: list[tuple[str, str]] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def exchange(self, protocol: str, model: str = "", version: str = "") -> Exchange:
        return Exchange(protocol, self._ended, model, version, self.observer)

    def _ended(self, exchange: Exchange, code: Code | None) -> None:
        self.exchanges.append((exchange, code))

    async def infer(self, request: InferenceRequest, exchange: Exchange) -> InferenceResponse:
        self.asked.append(request)
        self.protocols.append(exchange.protocol)
        exchange.model, exchange.version = request.model, request.version
        exchange.sent_ns = exchange.received_ns = time.monotonic_ns()
        self.started.set()
        if self.hang:
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if self.error is not None:
            raise self.error
        version = request.version or "3"
        return InferenceResponse(request.model, version, request.id, self.outputs, Timings())

    def live(self) -> bool:
        return True

    def ready(self) -> bool:
        return self.is_ready

    def model_ready(self, model: str, version: str) -> bool:
        self._find(model, version)
        return self.is_ready

    def metadata(self, model: str, version: str) -> ModelMetadata:
        self._find(model, version)
        settings = ModelSettings(model, output_labels={"y": ("cat", "dog", "cow")})
        return ModelMetadata(model, 3, (2, 3), "onnxruntime_onnx", "onnx", SIGNATURE, 8, settings)

    async def statistics(self, model: str, version: str) -> Sequence[ModelStatistics]:
        self.totals_of.append((model, version))
        return self.totals

    async def index(self, ready_only: bool) -> Sequence[IndexEntry]:
        return [entry for entry in self.entries if not ready_only or entry.state == "READY"]

    async def tf_serving_metrics(self) -> bytes:
        return b"page"

    async def trace_settings(self, model, changes):
        return await self.switches.trace(model, changes)

    async def log_settings(self, changes):
        return await self.switches.log(changes)

    async def load(self, model: str, parameters: Mapping[str, str | bool | int | bytes]) -> None:
        self._control()
        self.loaded.append((model, parameters))

    async def unload(self, model: str, unload_dependents: bool) -> None:
        self._control()
        self.unloaded.append((model, unload_dependents))

    def _find(self, model: str, version: str) -> None:
        if model != "adder":
            raise NotFound(f"Request for unknown model: '{model}' is not found")
        if version == "canary":
            raise NotFound(
                f"Request for unknown model: '{model}' version label canary is not found"
            )

    def _control(self) -> None:
        if isinstance(self.error, ServingError):
            raise self.error
        if self.error is not None:
            raise Unsupported(str(self.error))


def infer_message(model: str = "adder", id_: str = "") -> pb.ModelInferRequest:
    """A good request: x = [[1, 2]], raw."""
    message = pb.ModelInferRequest(model_name=model, id=id_)
    message.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    message.raw_input_contents.append(b"\x00\x00\x80\x3f\x00\x00\x00\x40")
    return message


def y(*values: float) -> Tensor:
    """One row of output `y`."""
    return Tensor("y", Datatype.FP32, (1, len(values)), struct.pack(f"<{len(values)}f", *values))
