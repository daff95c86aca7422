"""What frontends may ask of the gateway: the data plane about models, the control plane about
the repository, the admin plane about what operators decide.

Frontends depend on these protocols alone, so that a frontend is tested with a small double and
does not know whether it lives in the gateway's process or in its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from runtimes.contract.tensor import SERVING_DEFAULT, Signature
from server.exchange import Exchange
from server.inference import InferenceRequest, InferenceResponse
from server.lifecycle.history import Transition
from server.lifecycle.overview import Overview
from server.repository.served import ServedModel
from server.repository.settings import ModelSettings
from server.statistics import ModelStatistics
from server.telemetry.settings_words import Changes, Setting

SERVER_NAME = "underway"


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What a client may know of a ready version.

    `versions` are all ready versions, ascending. `max_batch_size` is 0 without a batch dimension.
    `platform` is the Open Inference Protocol's word for the artifact, such as `onnxruntime_onnx`.

    `signature` and `max_batch_size` are those of the signature called `default_signature`.
    `signatures`, `max_batch_sizes` and `method_names` (TensorFlow's, such as
    `tensorflow/serving/predict`) have every signature by its name, the default one first.
    """

    name: str
    version: int
    versions: tuple[int, ...]
    platform: str
    runtime: str
    signature: Signature
    max_batch_size: int
    settings: ModelSettings
    default_signature: str = SERVING_DEFAULT
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    max_batch_sizes: Mapping[str, int] = field(default_factory=dict)
    method_names: Mapping[str, str] = field(default_factory=dict)

    def of(self, signature: str) -> ModelMetadata:
        """The same with `signature` and `max_batch_size` of the signature called that.

        "" is the default; one that is not there changes nothing.
        """
        if signature not in self.signatures:
            return self
        return replace(
            self,
            signature=self.signatures[signature],
            max_batch_size=self.max_batch_sizes[signature],
        )


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One line of the repository index; `state` is a word of `lifecycle.states`."""

    name: str
    version: str
    state: str
    reason: str = ""


class Probes(Protocol):
    """Whether traffic may be sent here."""

    def live(self) -> bool:
        """True while the gateway's own loop runs."""

    def ready(self) -> bool:
        """True while enough models can answer (`readiness.is_ready`), until the server stops."""

    def model_ready(self, model: str, version: str) -> bool:
        """True when that version (or the default) can answer; NotFound when unknown."""


class DataPlane(Probes, Protocol):
    """What frontends ask about models. `version` is "" for the default version everywhere.

    Unknown models and versions raise NotFound, known ones that cannot answer raise Unavailable.
    """

    def exchange(self, protocol: str, model: str = "", version: str = "") -> Exchange:
        """What one inference is to be decoded, answered and encoded in, so that it is counted with
        whatever it ends with; `protocol` (`rest` or `grpc`) labels the metrics.

        `model` and `version` are what the client named, where that is known so early.
        """

    async def infer(self, request: InferenceRequest, exchange: Exchange) -> InferenceResponse:
        """Answer `request`, which `exchange` is about.

        Cancelling the awaiting task cancels the request in the worker.
        """

    def metadata(self, model: str, version: str) -> ModelMetadata:
        """What the version's artifact and settings say."""


class ControlPlane(Protocol):
    """What frontends ask the gateway: about the repository, and what all of them have counted.

    Any answer may come from another process, so that Unavailable or DeadlineExceeded may be raised
    by each.
    """

    async def statistics(self, model: str, version: str) -> Sequence[ModelStatistics]:
        """Totals of one version, of all of one model (version ""), or of all (model "").

        Raises as the data plane does.
        """

    async def index(self, ready_only: bool) -> Sequence[IndexEntry]:
        """Every known model version with its state, by name and version."""

    async def load(self, model: str, parameters: Mapping[str, str | bool | int | bytes]) -> None:
        """Load or reload `model` from the repository; Unsupported while control is off."""

    async def unload(self, model: str, unload_dependents: bool) -> None:
        """Unload `model`; Unsupported while control is off."""

    async def trace_settings(self, model: str, changes: Changes) -> Mapping[str, Setting]:
        """Which requests of `model`, or of all where it is "", are traced, after `changes`.

        InvalidArgument or Unsupported names the setting that cannot be so; nothing is changed then.
        """

    async def log_settings(self, changes: Changes) -> Mapping[str, Setting]:
        """What is logged, after `changes`; raises as `trace_settings` does."""

    async def tf_serving_metrics(self) -> bytes:
        """The metrics under TensorFlow Serving's names, as Prometheus' text; NotFound while they
        are off.
        """

    async def replace_models(self, models: Sequence[ServedModel]) -> None:
        """Serve just these models, in place of all that the model config named before, and return
        once they are available; those left out are unloaded.

        Unsupported where the server has no model config, InvalidArgument for a folder that may not
        be named or a label of a version that is not READY. Internal with `N model(s) did not become
        available: {...}` where that is so; the new models stay all the same.
        """


@dataclass(frozen=True, slots=True)
class TraceFile:
    """What a runtime's profiler captured; `name` says the form."""

    name: str
    content: bytes


class AdminPlane(Protocol):
    """What operators ask, on the port that is theirs."""

    def labels(self, model: str) -> Mapping[str, int]:
        """The labels of `model` that can be asked for now, with their versions."""

    async def label(self, model: str, labels: Mapping[str, int | None]) -> None:
        """Point labels at READY versions, or remove those with None; all of them in one step.

        InvalidArgument where a version is not READY, and nothing is changed.
        """

    async def roll_back(self, model: str) -> int:
        """Turn to the version before the default one; its number, once it answers."""

    def history(self, model: str, limit: int) -> Sequence[Transition]:
        """The newest transitions, oldest first; of all models where `model` is ""."""

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """All metrics with what frontends have counted up to now, in the form that the header
        Accept asks for, and their content type.
        """

    async def profile(self, model: str, version: str, batches: int, seconds: float) -> TraceFile:
        """What the runtime's own profiler captures in one worker of the next 1 to 1000 batches, or
        of as many as come within `seconds`, 1 to 300.

        InvalidArgument for other numbers, NotFound and Unavailable as the data plane, Unsupported
        where the runtime has no profiler, Overloaded while a profile of the model is being taken.
        """

    async def overview(self) -> Overview:
        """All models with their counts, states and workers, as they are now."""
