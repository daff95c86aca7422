"""What every runtime is: the protocol behind which a worker knows no framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Signature, Tensor


class LoadError(Exception):
    """The artifact cannot be served; the text is for its publisher and holds no path."""


class ModelError(Exception):
    """The model failed on a request; the text is for the client and holds no path."""


class InputError(ModelError):
    """An input holds what this model's framework cannot take: the fault is the request's."""


class LoadedModel(Protocol):
    """One version of one model, in memory and on its device."""

    @property
    def signature(self) -> Signature:
        """Inputs and outputs, batch dimension included, in the model's own order."""

    @property
    def max_batch_size(self) -> int:
        """Rows one call may hold; 0 for a model without a batch dimension."""

    @property
    def device(self) -> str:
        """Where it was proven to run: `cpu` or `cuda:N`."""

    @property
    def facts(self) -> Mapping[str, str]:
        """Short details for people."""

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> Sequence[Tensor]:
        """The tensors named in `outputs` (never empty), in that order.

        `inputs` are in any order and already fit the signature. Raises ModelError where the model
        fails on them.
        """


class Profiler(Protocol):
    """The framework's own profiler, made for one trace.

    It may be made in any thread, which takes what time it needs; `start` and `stop` are called in
    the thread that computes and hold up requests; `trace` may again be called in any.
    """

    file_name: str
    """What the trace is to be called, which says its form."""

    def start(self) -> None:
        """Capture all that the model computes from here on."""

    def stop(self) -> None:
        """Capture nothing more."""

    def trace(self, max_bytes: int) -> bytes:
        """The trace's file. Raises ModelError where it has more bytes."""

    def close(self) -> None:
        """Let go of files and memory."""


class ProfiledModel(LoadedModel, Protocol):
    """A loaded model that can be profiled."""

    @property
    def profiler(self) -> Callable[[], Profiler]:
        """Makes a profiler for one trace; the call raises ModelError where there is none."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that lies beside an artifact, to warm up with; `name` is for messages."""

    name: str
    signature: str
    inputs: tuple[Tensor, ...]


@runtime_checkable
class ManySignatures(Protocol):
    """What a LoadedModel has besides where it can be called in several ways.

    Itself it is the default one of them. A model without this has one, `serving_default`.
    """

    @property
    def signatures(self) -> Mapping[str, LoadedModel]:
        """Every signature by its name; one of them is this model itself."""

    @property
    def method_names(self) -> Mapping[str, str]:
        """TensorFlow's method name of each."""

    @property
    def not_to_try(self) -> Mapping[str, str]:
        """Those that only requests may call, with the reason: a trial run would change things."""

    def recorded(self) -> Iterable[RecordedRequest]:
        """Requests that came with the artifact. Raises LoadError, also while they are read."""


class Runtime(Protocol):
    """Knows one framework."""

    @property
    def name(self) -> str:
        """The name models are configured with."""

    @property
    def warmup_passes(self) -> int:
        """Runs of a batch size until nothing is put off any more; 0 where nothing ever is."""

    def preload(self) -> None:
        """Import the framework, so that a fork inherits it.

        Neither runs an operation nor touches a GPU: a CUDA context does not survive a fork.
        """

    def load(self, spec: ModelSpec) -> ProfiledModel:
        """Load `spec.artifact`, prove its device and signature. Raises LoadError."""
