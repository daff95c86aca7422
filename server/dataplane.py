"""The one path from every frontend to a model: infer, metadata, readiness, statistics.

Frontends depend on these two protocols alone, so that a frontend is tested with a small double and
may one day live in a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runtimes.contract.tensor import Signature
from server.inference import InferenceRequest, InferenceResponse
from server.repository.settings import ModelSettings

SERVER_NAME = "underway"


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What a client may know of a ready version.

    `versions` are all ready versions, ascending. `max_batch_size` is 0 without a batch dimension.
    `platform` is the Open Inference Protocol's word for the artifact, such as `onnxruntime_onnx`.
    """

    name: str
    version: int
    versions: tuple[int, ...]
    platform: str
    runtime: str
    signature: Signature
    max_batch_size: int
    settings: ModelSettings


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One line of the repository index; `state` is a word of `lifecycle.states`."""

    name: str
    version: str
    state: str
    reason: str = ""


@dataclass(slots=True)
class Duration:
    """How often something happened and how long it took in all."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int, count: int = 1) -> None:
        """Count `count` more, together taking `ns`."""
        self.count += count
        self.ns += ns


@dataclass(slots=True)
class BatchStatistics:
    """Executions of one batch size."""

    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)
    compute_output: Duration = field(default_factory=Duration)


@dataclass(slots=True)
class ModelStatistics:
    """Running totals of one model version, as the statistics extension tells them.

    `inference_count` counts rows, `execution_count` batches. `last_inference_ms` is since 1970.
    """

    name: str
    version: int
    last_inference_ms: int = 0
    inference_count: int = 0
    execution_count: int = 0
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)
    compute_output: Duration = field(default_factory=Duration)
    batches: dict[int, BatchStatistics] = field(default_factory=dict)


class DataPlane(Protocol):
    """What frontends ask about models. `version` is "" for the default version everywhere.

    Unknown models and versions raise NotFound, known ones that cannot answer raise Unavailable.
    """

    async def infer(self, request: InferenceRequest, protocol: str) -> InferenceResponse:
        """Answer `request`; `protocol` (`rest` or `grpc`) labels the metrics.

        Cancelling the awaiting task cancels the request in the worker.
        """

    def live(self) -> bool:
        """True while the gateway's own loop runs."""

    def ready(self) -> bool:
        """True when every model has a ready version and the server is not stopping."""

    def model_ready(self, model: str, version: str) -> bool:
        """True when that version (or the default) can answer; NotFound when unknown."""

    def metadata(self, model: str, version: str) -> ModelMetadata:
        """What the version's artifact and settings say."""

    def statistics(self, model: str, version: str) -> Sequence[ModelStatistics]:
        """Totals of one version, of all of one model (version ""), or of all (model "")."""


class ControlPlane(Protocol):
    """What frontends ask about the repository."""

    def index(self, ready_only: bool) -> Sequence[IndexEntry]:
        """Every known model version with its state, by name and version."""

    async def load(self, model: str, parameters: Mapping[str, str | bool | int | bytes]) -> None:
        """Load or reload `model` from the repository; Unsupported while control is off."""

    async def unload(self, model: str, unload_dependents: bool) -> None:
        """Unload `model`; Unsupported while control is off."""
