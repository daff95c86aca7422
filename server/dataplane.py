"""The one path from every frontend to a model: infer, metadata, readiness."""

from __future__ import annotations

import time
from collections.abc import Collection

from server.admission import Admission
from server.errors import InvalidArgument, ServingError, Unavailable
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
    """Answers for all models of one routing table; see planes.DataPlane."""

    def __init__(
        self, table: RoutingTable, admission: Admission, required: Collection[str] = ()
    ) -> None:
        self._table = table
        self._admission = admission
        self._required = required
        self._stopping = False

    def stop_admitting(self) -> None:
        """Be not ready from here on; requests already let in are still answered."""
        self._stopping = True

    async def infer(self, request: InferenceRequest, protocol: str) -> InferenceResponse:
        """Answer `request` by its model, or raise the ServingError it ends with."""
        started = time.monotonic_ns()
        try:
            load = self._table.acquire(request.model, request.version)
        except ServingError as error:
            self._table.unknown.failure(protocol, error.code)
            raise
        try:
            return await self._answer(load, request, protocol, started)
        except ServingError as error:
            load.tally.failure(protocol, started, error.code)
            raise
        finally:
            self._table.give_back(load)

    async def _answer(
        self, load: Load, request: InferenceRequest, protocol: str, started: int
    ) -> InferenceResponse:
        called = load.signatures.get(request.signature)
        if called is None:
            raise _unknown_signature(request, load)
        check(request, called.signature, called.max_batch_size)
        shape = request.inputs[0].shape if request.inputs else ()
        rows = shape[0] if called.max_batch_size and shape else 1
        size = sum([len(tensor.data) for tensor in request.inputs])
        self._admission.enter(load.model, load.usage, rows, size)
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
            self._admission.leave(load.usage, rows, size)
        load.tally.success(protocol, started, rows, result.timings)
        return InferenceResponse(
            request.model, str(load.added.version), request.id, result.outputs, result.timings
        )

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
