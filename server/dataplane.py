"""The one path from every frontend to a model: infer, metadata, readiness."""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import partial

from runtimes.contract.codes import Code
from server.admission import Admission
from server.errors import InvalidArgument, ServingError, Unavailable
from server.exchange import Exchange, Observer
from server.inference import InferenceRequest, InferenceResponse, check
from server.planes import ModelMetadata
from server.readiness import is_ready
from server.routing.table import Load, RoutingTable

PLATFORMS = {
    "onnx": "onnxruntime_onnx",
    "torchscript": "pytorch_libtorch",
    "savedmodel": "tensorflow_savedmodel",
}
"""The Open Inference Protocol's words for the artifact each runtime serves."""


class ServingDataPlane:
    """Answers for all models of one routing table; see planes.DataPlane. `observer` is told of each
    inference, where there is one.
    """

    def __init__(
        self,
        table: RoutingTable,
        admission: Admission,
        observer: Observer | None = None,
        required: Collection[str] = (),
    ) -> None:
        self._table = table
        self._admission = admission
        self._observer = observer
        self._required = required
        self._stopping = False

    def stop_admitting(self) -> None:
        """Be not ready from here on; requests already let in are still answered."""
        self._stopping = True

    def exchange(self, protocol: str, model: str = "", version: str = "") -> Exchange:
        """See planes.DataPlane."""
        return Exchange(protocol, self._never_served, model, version, self._observer)

    async def infer(self, request: InferenceRequest, exchange: Exchange) -> InferenceResponse:
        """Answer `request` by its model, or raise the ServingError it ends with.

        The load that answers is in use until `exchange` has ended.
        """
        exchange.model, exchange.version = request.model, request.version
        exchange.request_id, exchange.deadline_ns = request.id, request.deadline_ns
        load = self._table.acquire(request.model, request.version)
        exchange.ended = partial(self._served, load)
        exchange.answering = load.added.version
        called = load.signatures.get(request.signature)
        if called is None:
            raise _unknown_signature(request, load)
        check(request, called.signature, called.max_batch_size)
        shape = request.inputs[0].shape if request.inputs else ()
        rows = shape[0] if called.max_batch_size and shape else 1
        size = sum([len(tensor.data) for tensor in request.inputs])
        self._admission.enter(load.model, load.usage, rows, size)
        exchange.rows = rows
        exchange.sent_ns = time.monotonic_ns()
        try:
            result = await load.workers.infer(
                request.inputs,
                request.outputs,
                request.deadline_ns,
                request.priority,
                # One name for the default, so that its requests are joined however they name it.
                "" if called is load.added.signatures[0] else request.signature,
            )
        finally:
            exchange.received_ns = time.monotonic_ns()
            self._admission.leave(load.usage, rows, size)
        exchange.timings = result.timings
        return InferenceResponse(
            request.model, str(load.added.version), request.id, result.outputs, result.timings
        )

    def _served(self, load: Load, exchange: Exchange, code: Code | None) -> None:
        load.tally.ended(exchange, code)
        self._table.give_back(load)

    def _never_served(self, exchange: Exchange, code: Code | None) -> None:
        """Count what ended before it had a load: under the model, where it names one."""
        failed = code or Code.INTERNAL
        if exchange.model and failed is not Code.NOT_FOUND:
            try:
                load = self._table.find(exchange.model, exchange.version)
            except ServingError:
                pass
            else:
                load.tally.ended(exchange, failed)
                return
        self._table.unknown.failure(exchange.protocol, failed)

    def live(self) -> bool:
        """True: whoever can ask is answered by a running loop."""
        return True

    def ready(self) -> bool:
        """True while enough models can answer, until the server stops."""
        table = self._table
        return not self._stopping and is_ready(table.standings(), self._required, table.started)

    def model_ready(self, model: str, version: str) -> bool:
        """True when that version has a worker to ask."""
        try:
            return self._table.find(model, version).workers.is_ready
        except Unavailable:
            return False

    def metadata(self, model: str, version: str) -> ModelMetadata:
        """What the version's artifact and settings say."""
        added = self._table.find(model, version).added
        default = added.signatures[0]
        return ModelMetadata(
            name=model,
            version=added.version,
            versions=self._table.versions(model),
            platform=PLATFORMS.get(added.runtime, added.runtime),
            runtime=added.runtime,
            signature=default.signature,
            max_batch_size=default.max_batch_size,
            settings=added.settings,
            default_signature=default.name,
            signatures={one.name: one.signature for one in added.signatures},
            max_batch_sizes={one.name: one.max_batch_size for one in added.signatures},
            method_names={one.name: one.method_name for one in added.signatures},
        )


def _unknown_signature(request: InferenceRequest, load: Load) -> InvalidArgument:
    known = ", ".join(f"'{one.name}'" for one in load.added.signatures)
    return InvalidArgument(
        f"model '{request.model}' has no signature '{request.signature[:100]}'; it has {known}"
    )
