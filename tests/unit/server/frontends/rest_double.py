"""Planes with a few models, for tests of the REST frontend: most give their inputs back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from runtimes.contract.codes import Code
from runtimes.contract.messages import Batching, Timings
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec
from server.access.access import open_to_all
from server.errors import NotFound, Unavailable
from server.exchange import Exchange, Observer
from server.frontends.limits import FrontendLimits
from server.frontends.rest import create_app
from server.inference import InferenceRequest, InferenceResponse, check
from server.planes import IndexEntry, ModelMetadata
from server.repository.served import ServedModel
from server.repository.settings import ModelSettings
from server.statistics import BatchStatistics, Duration, ModelStatistics
from server.switches import Switches
from tests.unit.server.switched import switches

LIMIT = 64 * 1024
LIMITS = FrontendLimits(
    max_message_bytes=LIMIT, server_version="9.9", disconnect_check_s=0.0, server_timing=False
)


def mirror(*specs: TensorSpec) -> Signature:
    """A model whose outputs are its inputs."""
    return Signature(specs, specs)


def optional(name: str, datatype: Datatype, shape: tuple[int, ...]) -> TensorSpec:
    return TensorSpec(name, datatype, shape, optional=True)


# name: (signature, max_batch_size). `every` takes any of the datatypes under its own name.
MODELS: dict[str, tuple[Signature, int]] = {
    "every": (mirror(*(optional(d.value, d, (-1,)) for d in Datatype)), 0),
    "rows": (mirror(TensorSpec("x", Datatype.FP32, (-1, 3))), 8),
    "grid": (mirror(TensorSpec("x", Datatype.INT32, (2, 3))), 0),
    "scalar": (mirror(TensorSpec("x", Datatype.INT64, ())), 0),
    "deep": (mirror(TensorSpec("x", Datatype.FP32, (-1, -1, 2))), 8),
    "wild": (mirror(TensorSpec("x", Datatype.FP32, (-1, -1))), 0),
    "text": (mirror(TensorSpec("t", Datatype.BYTES, (-1, 1))), 8),
    "two": (
        mirror(TensorSpec("a", Datatype.INT32, (-1,)), TensorSpec("b", Datatype.INT32, (-1,))),
        0,
    ),
}
LABELS = {"x": ("cat", "dog", "cow")}
UNREADY = "asleep"


@dataclass
class Planes:
    """Data and control plane in one. `failure` is raised by every inference, `hang` holds them."""

    failure: Exception | None = None
    hang: bool = False
    is_ready: bool = True
    asked: list[InferenceRequest] = field(default_factory=list)
    orders: list[tuple[object, ...]] = field(default_factory=list)
    refusal: Exception | None = None
    exchanges: list[tuple[Exchange, Code | None]] = field(default_factory=list)
    observer: Observer | None = None
    switches: Switches = field(default_factory=switches)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def exchange(self, protocol: str, model: str = "", version: str = "") -> Exchange:
        return Exchange(protocol, self._ended, model, version, self.observer)

    def _ended(self, exchange: Exchange, code: Code | None) -> None:
        self.exchanges.append((exchange, code))

    async def infer(self, request: InferenceRequest, exchange: Exchange) -> InferenceResponse:
        assert exchange.protocol == "rest"
        exchange.sent_ns = exchange.received_ns = time.monotonic_ns()
        self.asked.append(request)
        self.started.set()
        if self.failure is not None:
            raise self.failure
        if self.hang:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        metadata = self.metadata(request.model, request.version)
        check(request, metadata.signature, metadata.max_batch_size)
        given = {tensor.name: tensor for tensor in request.inputs}
        names = request.outputs or tuple(given)
        outputs: tuple[Tensor, ...] = tuple(given[name] for name in names)
        return InferenceResponse(request.model, "3", request.id, outputs, Timings())

    def live(self) -> bool:
        return True

    def ready(self) -> bool:
        return self.is_ready

    def model_ready(self, model: str, version: str) -> bool:
        self._find(model, version)
        return model != UNREADY

    def metadata(self, model: str, version: str) -> ModelMetadata:
        self._find(model, version)
        if model == UNREADY:
            raise Unavailable(f"'{model}' version 1 is not at ready state")
        signature, max_batch_size = MODELS[model]
        settings = ModelSettings(model, batching=Batching(250), output_labels=LABELS)
        return ModelMetadata(
            model, 3, (2, 3), "onnxruntime_onnx", "onnx", signature, max_batch_size, settings
        )

    async def statistics(self, model: str, version: str) -> Sequence[ModelStatistics]:
        if model:
            self._find(model, version)
        number = 3 if version == "stable" else int(version or 3)
        totals = ModelStatistics(model or "all", number, 1234, 7, 3)
        totals.success = Duration(7, 700)
        totals.batches[4] = BatchStatistics(compute_infer=Duration(1, 40))
        totals.batches[1] = BatchStatistics(compute_infer=Duration(2, 20))
        return [totals]

    async def index(self, ready_only: bool) -> Sequence[IndexEntry]:
        entries = [
            IndexEntry("broken", "1", "FAILED", "no such op"),
            IndexEntry("new", "", "NEW"),
            IndexEntry("rows", "3", "READY"),
        ]
        return [entry for entry in entries if not ready_only or entry.state == "READY"]

    async def tf_serving_metrics(self) -> bytes:
        return b"page"

    async def trace_settings(self, model, changes):
        return await self.switches.trace(model, changes)

    async def log_settings(self, changes):
        return await self.switches.log(changes)

    async def load(self, model: str, parameters: Mapping[str, str | bool | int | bytes]) -> None:
        self._order("load", model, dict(parameters))

    async def unload(self, model: str, unload_dependents: bool) -> None:
        self._order("unload", model, unload_dependents)

    async def replace_models(self, models: Sequence[ServedModel]) -> None:
        self._order("replace", *models)

    def _order(self, *order: object) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.orders.append(order)

    def _find(self, model: str, version: str) -> None:
        if model not in MODELS and model != UNREADY:
            raise NotFound(f"Request for unknown model: '{model}' is not found")
        if version not in ("", "2", "3", "stable"):
            raise NotFound(f"Request for unknown model: '{model}' version {version} is not found")


@asynccontextmanager
async def client_of(
    planes: Planes, limits: FrontendLimits = LIMITS
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a REST app on `planes`, without a socket between them."""
    transport = httpx.ASGITransport(create_app(planes, planes, limits, open_to_all()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        # httpx asks for compression by itself, which would hide what the server does unasked.
        del client.headers["accept-encoding"]
        yield client
