"""The one path from every frontend to a model: infer, metadata, readiness, statistics."""

from __future__ import annotations

import time
from collections.abc import Sequence

from server.errors import ServingError, Unavailable
from server.inference import InferenceRequest, InferenceResponse, check
from server.lifecycle.manager import LifecycleManager
from server.lifecycle.states import State
from server.lifecycle.version import Handle
from server.planes import ModelMetadata
from server.statistics import ModelStatistics
from server.telemetry.recorder import Recorders

PLATFORMS = {
    "onnx": "onnxruntime_onnx",
    "torchscript": "pytorch_libtorch",
    "savedmodel": "tensorflow_savedmodel",
}
"""The Open Inference Protocol's words for the artifact each runtime serves."""


class ServingDataPlane:
    """Answers for all models of one lifecycle manager; see planes.DataPlane."""

    def __init__(self, manager: LifecycleManager, recorders: Recorders) -> None:
        self._manager = manager
        self._recorders = recorders
        self._started = False
        self._stopping = False

    def note_started(self) -> None:
        """The models found at the start have been given their chance."""
        self._started = True

    def stop_admitting(self) -> None:
        """Be not ready from here on; requests already let in are still answered."""
        self._stopping = True

    async def infer(self, request: InferenceRequest, protocol: str) -> InferenceResponse:
        """Answer `request` by its model, or raise the ServingError it ends with."""
        started = time.monotonic_ns()
        try:
            handle = self._manager.acquire(request.model, request.version)
        except ServingError as error:
            self._recorders.unknown(protocol, error.code)
            raise
        with handle:
            try:
                return await self._answer(handle, request, protocol, started)
            except ServingError as error:
                handle.recorder.failure(protocol, started, error.code)
                raise

    async def _answer(
        self, handle: Handle, request: InferenceRequest, protocol: str, started: int
    ) -> InferenceResponse:
        ready = handle.ready
        check(request, ready.signature, ready.max_batch_size)
        handle.recorder.in_flight.inc()
        try:
            result = await handle.infer(request)
        finally:
            handle.recorder.in_flight.dec()
        shape = request.inputs[0].shape if request.inputs else ()
        rows = shape[0] if ready.max_batch_size and shape else 1
        handle.recorder.success(protocol, started, rows, result.timings)
        return InferenceResponse(
            request.model, str(handle.version), request.id, result.outputs, result.timings
        )

    def live(self) -> bool:
        """True: whoever can ask is answered by a running loop."""
        return True

    def ready(self) -> bool:
        """True once the models found at the start are settled and one of them serves."""
        if self._stopping or not self._started:
            return False
        wanting = [model for model in self._manager.models.values() if model.wanted]
        return not wanting or any(self.model_ready(model.name, "") for model in wanting)

    def model_ready(self, model: str, version: str) -> bool:
        """True when that version has a worker to ask."""
        try:
            found = self._manager.find(model, version)
        except Unavailable:
            return False
        return found.pool is not None and found.pool.is_ready

    def metadata(self, model: str, version: str) -> ModelMetadata:
        """What the version's artifact and settings say."""
        found = self._manager.find(model, version)
        loads = self._manager.get(model).loads.values()
        ready = found.ready
        assert ready is not None  # noqa: S101  # find() returns READY versions only
        return ModelMetadata(
            name=model,
            version=found.version,
            versions=tuple(sorted({v.version for v in loads if v.state is State.READY})),
            platform=PLATFORMS.get(found.runtime, found.runtime),
            runtime=found.runtime,
            signature=ready.signature,
            max_batch_size=ready.max_batch_size,
            settings=found.settings,
        )

    def statistics(self, model: str, version: str) -> Sequence[ModelStatistics]:
        """Totals of one version, of one model's ready versions, or of all ready versions."""
        if model and version:
            found = [self._manager.find(model, version)]
        elif model:
            found = list(self._manager.get(model).loads.values())
        else:
            found = list(self._manager.versions())
        ready = {(v.settings.name, v.version): v for v in found if v.state is State.READY}
        return [v.recorder.statistics for v in ready.values() if v.recorder]
