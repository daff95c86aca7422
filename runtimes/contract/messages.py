"""Every message between the gateway and a worker, grouped by direction.

gateway -> worker    Load, then any number of Infer, Cancel and Profile, then Stop (or end of file)
worker -> gateway    Ready or LoadFailed once; then exactly one Result or Failed per Infer, and one
                     Profiled per Profile
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtimes.contract.codes import Code
from runtimes.contract.record import record
from runtimes.contract.tensor import Buffer, NamedSignature, Signature, Tensor, TensorSpec

OptionValue = str | int | float | bool


class ProtocolError(Exception):
    """The other side sent something that is not in this file."""


# ---- what a worker is told about its model -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Padding:
    """How inputs of different sizes are made to fit together in their open dimensions.

    They are filled with `value` up to the smallest of the ascending `buckets` that holds them, or
    to the largest of the batch where there are none. `mask` names an input of the model that the
    worker makes where a request brings none: 1 for what is real, 0 for what was filled in.
    """

    value: float = 0
    buckets: tuple[int, ...] = ()
    mask: str = ""


@dataclass(frozen=True, slots=True)
class Batching:
    """How requests are joined: up to `max_batch_size` rows, waiting at most `max_queue_delay_us`.

    A delay of 0 still joins what is already waiting. Batches are filled up to one of the ascending
    `allowed_sizes`, where there are any; the last of them is `max_batch_size`.

    `usual_rows` is above 0 where the server asks for it on behalf of all models: the
    `max_batch_size` of those that have a batch dimension and set none. What does not fit a model is
    then left out instead of refused.
    """

    max_queue_delay_us: int = 0
    allowed_sizes: tuple[int, ...] = ()
    pad: Padding | None = None
    usual_rows: int = 0


HIGH_PRIORITY = 1
"""The priority of requests that go first; all others are alike."""


@dataclass(frozen=True, slots=True)
class WarmupSample:
    """One request to run before a worker is ready; shapes in `inputs` are concrete.

    `signature` is "" for the default one.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    fill: str = "zero"
    count: int = 1
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """All a worker needs to load one version of one model.

    `artifact` is the absolute path of the file or folder the runtime opens. `inputs` and `outputs`
    are what the configuration declares, empty where the artifact is to tell. `max_batch_size` is
    None where it is to be derived, 0 where the model has no batch dimension. `precision` is
    `fp32`, `tf32` or `fp16`; `device` is `auto`, `cpu` or `cuda:N`. `warmup_files` are recorded
    requests to run before the worker is ready, `golden_files` requests with the answers they must
    get; both absolute paths. An answer of more than `max_answer_bytes` is not sent: the gateway
    would cut the connection. Requests that wait may have `max_queue_rows` rows and
    `max_queue_bytes` bytes together, 0 for no bound; one alone is always let in. `aliases` are
    other names for inputs and outputs, by those of the artifact; the other fields use the aliases.
    """

    model: str
    version: int
    runtime: str
    artifact: str
    device: str = "auto"
    precision: str = "fp32"
    threads: int = 1
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    max_batch_size: int | None = None
    batching: Batching | None = None
    warmup: tuple[WarmupSample, ...] = ()
    warmup_files: tuple[str, ...] = ()
    golden_files: tuple[str, ...] = ()
    max_answer_bytes: int = 2**40
    max_queue_rows: int = 0
    max_queue_bytes: int = 0
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


# ---- gateway -> worker -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Load:
    """Load this model; answered by Ready or LoadFailed."""

    spec: ModelSpec


@record
class Infer:
    """Compute `outputs` (empty means all) from `inputs`; answered by Result or Failed.

    `deadline_ns` is on the machine's monotonic clock, 0 where there is none. Requests of
    HIGH_PRIORITY go before others. `signature` is "" for the default one.
    """

    id: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...] = ()
    deadline_ns: int = 0
    priority: int = 0
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody waits for request `id` any more; it still gets its one ending."""

    id: int


@dataclass(frozen=True, slots=True)
class Connect:
    """Serve the socket that comes with this message as well: it carries Infer and Cancel alone."""


@dataclass(frozen=True, slots=True)
class Share:
    """Use the memory whose descriptor comes with this message, the first on its socket."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the answer `id` has in shared memory is not needed any more."""

    id: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer Pong at once, whatever is being computed."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Capture what the runtime's own profiler says of the next `batches` batches, or of as many as
    come within `seconds`; answered by Profiled, with a trace of at most `max_bytes`.
    """

    batches: int
    seconds: float
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Finish what is queued, then exit."""


# ---- worker -> gateway -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Warming:
    """The model is loaded; warm-up and golden checks begin."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The worker lives; its present batch has been running for `busy_ns`, 0 where it is idle."""

    busy_ns: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded, proven to be on its device, and warm.

    `signatures` are all that the model can be called by, the default one first. `facts` are short
    details for people: framework version, execution providers, where the signature came from.
    """

    signatures: tuple[NamedSignature, ...]
    device: str
    load_ns: int
    warmup_ns: int
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def signature(self) -> Signature:
        """That of the default."""
        return self.signatures[0].signature

    @property
    def max_batch_size(self) -> int:
        """That of the default, 0 where it has no batch dimension."""
        return self.signatures[0].max_batch_size


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The model cannot be served; `reason` is written for the person who published it."""

    reason: str


@record
class Timings:
    """Where a request's time in the worker went, in nanoseconds, and how many rows it ran with.

    `padded_rows` of the `batch_rows`, and `padded_bytes` of the batch's inputs, were filled in.
    `arrived_ns` is when the worker had the request, on the machine's monotonic clock, 0 where it
    was not told.
    """

    queue_ns: int = 0
    compute_input_ns: int = 0
    compute_infer_ns: int = 0
    compute_output_ns: int = 0
    batch_rows: int = 1
    leads: bool = True
    """True for exactly one request of each batch, so that executions can be counted."""
    padded_rows: int = 0
    padded_bytes: int = 0
    arrived_ns: int = 0


@record
class Result:
    """The answer to request `id`."""

    id: int
    outputs: tuple[Tensor, ...]
    timings: Timings = Timings()


@dataclass(frozen=True, slots=True)
class Failed:
    """Request `id` ended without an answer."""

    id: int
    code: Code
    message: str


@dataclass(frozen=True, slots=True)
class Profiled:
    """What was captured: a file of that `name`, which says its form. Or, with a `code`, why there
    is none.
    """

    name: str = ""
    trace: Buffer = b""
    code: Code | None = None
    message: str = ""


Message = (
    Load
    | Infer
    | Cancel
    | Connect
    | Share
    | Taken
    | Ping
    | Profile
    | Stop
    | Warming
    | Pong
    | Ready
    | LoadFailed
    | Result
    | Failed
    | Profiled
)
