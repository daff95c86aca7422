"""Every message between the gateway and a frontend, grouped by direction.

gateway -> frontend    Welcome once; then LoadAdded, WorkerJoined (with its socket), Trouble,
                       Routes, TraceIs, LogIs and AccessIs as things change; Serve once when
                       all of it was told; Answer; Tell; Stop at the end
frontend -> gateway    Hello once; then Applied per revision, Released per load, Counted, Ask and
                       Withdraw as clients come, Listening once, Stopped at the end

Whatever is sent is applied in its order. End of file ends either side's view of the other: a
frontend without a gateway ends, and the gateway counts all that a frontend held as given back.
"""

from __future__ import annotations

import msgspec

from runtimes.contract.tensor import NamedSignature
from server.access.rules import Rules
from server.planes import IndexEntry
from server.repository.served import ServedModel
from server.repository.settings import ModelSettings
from server.statistics import ModelStatistics
from server.telemetry.counts import Report
from server.telemetry.log_settings import LogRules
from server.telemetry.settings_words import Setting
from server.telemetry.trace_settings import TraceRules
from server.tls.files import TlsFiles

PROTOCOL = 2
"""Both sides are of one release; a frontend of another one must not be let in."""

Parameter = str | bool | int


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Tagged with its class's name."""


# ---- gateway -> frontend -----------------------------------------------------------------------


class Bounds(msgspec.Struct, frozen=True, array_like=True):
    """What may be in flight in one frontend: its share of what the settings allow."""

    rows: int
    bytes: int
    model_rows: int
    model_bytes: int


class Welcome(_Message, frozen=True):
    """All a frontend needs to know of the settings. Ports are real ones, times seconds.

    `worker_in_flight` are the requests this frontend may have in one worker. `control_timeout` is
    how long an answer about the repository may take, `load_timeout` that of a load or unload call.
    `required` are the models without which it is not ready, `max_connection_age` and `linger` as in
    frontends.closing. `guarded` is whether nobody is let in before AccessIs.
    """

    number: int
    host: str
    http_port: int
    grpc_port: int
    max_message_bytes: int
    server_version: str
    drain_timeout: float
    worker_in_flight: int
    bounds: Bounds
    control_timeout: float = 10.0
    load_timeout: float = 600.0
    server_timing: bool = True
    tf_serving_metrics: bool = False
    log_level: str = "info"
    log_format: str = "auto"
    required: tuple[str, ...] = ()
    max_connection_age: float = 0.0
    linger: float = 0.0
    frontends: int = 1
    tracing: bool = False
    access_log_rate: float = 0.0
    tls: TlsFiles | None = None
    guarded: bool = False


class LoadAdded(_Message, frozen=True):
    """A load that can be routed to; `load` is its number, never used again.

    Of its `signatures`, never none, the first is the default.
    """

    load: int
    version: int
    runtime: str
    signatures: tuple[NamedSignature, ...]
    settings: ModelSettings


class WorkerJoined(_Message, frozen=True):
    """A worker of a load; comes with one descriptor: this frontend's own socket to it."""

    load: int
    worker: str


class Trouble(_Message, frozen=True):
    """Why a load is short of workers, "" where all is well again."""

    load: int
    text: str


class Routes(_Message, frozen=True):
    """All names of a model, in place of those it had; answered by Applied.

    `names` maps what a request may give as version ("" for the default, numbers, labels) to a
    load. `loads` are all its loads that may still be used; one that is missing gets no new
    request, and is Released when its last one has ended. `known` are versions that exist without
    being able to answer. `wanted` is whether anything of the model is to be served, `required`
    whether its settings make readiness depend on it, `present` False when there is no such model
    any more.
    """

    revision: int
    model: str
    names: dict[str, int]
    loads: tuple[int, ...]
    known: tuple[int, ...]
    wanted: bool
    present: bool = True
    required: bool = False


class Started(_Message, frozen=True):
    """The models found at the start were given their chance: readiness depends on them alone."""


class Serve(_Message, frozen=True):
    """Everything there is was told; clients may be answered."""


class TraceIs(_Message, frozen=True):
    """Which requests are traced from here on."""

    rules: TraceRules


class LogIs(_Message, frozen=True):
    """What is logged from here on."""

    rules: LogRules


class AccessIs(_Message, frozen=True):
    """Who may do what from here on."""

    rules: Rules


class Tell(_Message, frozen=True):
    """Answer with Counted now."""

    number: int


class Done(_Message, frozen=True):
    """It is done."""


class IndexIs(_Message, frozen=True):
    """The repository index."""

    entries: tuple[IndexEntry, ...]


class StatisticsAre(_Message, frozen=True):
    """Totals over all frontends."""

    totals: tuple[ModelStatistics, ...]


class MetricsAre(_Message, frozen=True):
    """A page of metrics as text."""

    text: bytes


class SettingsAre(_Message, frozen=True):
    """Trace or log settings by their names."""

    settings: dict[str, Setting]


class Refused(_Message, frozen=True):
    """A ServingError: `code` as in runtimes.contract.codes."""

    code: str
    message: str
    retry_after: float | None = None


class Answer(_Message, frozen=True):
    """Ends the Ask of that id."""

    id: int
    result: Done | IndexIs | StatisticsAre | MetricsAre | SettingsAre | Refused


class Pause(_Message, frozen=True):
    """Be not ready from here on; go on answering."""


class Stop(_Message, frozen=True):
    """Take no more requests, finish those in flight, say Stopped and end."""


# ---- frontend -> gateway -----------------------------------------------------------------------


class Hello(_Message, frozen=True):
    """The first message."""

    protocol: int


class Listening(_Message, frozen=True):
    """Clients are answered from here on."""


class Applied(_Message, frozen=True):
    """Everything up to Routes of that revision is in force: no new request goes to a load that it
    left out.
    """

    revision: int


class Released(_Message, frozen=True):
    """No request of this frontend is in that load, and none will be."""

    load: int


class Counted(_Message, frozen=True):
    """What was counted since the last time; `number` is that of the Tell it answers, or 0."""

    number: int
    report: Report


class AskIndex(_Message, frozen=True):
    """The repository index."""

    ready_only: bool


class AskStatistics(_Message, frozen=True):
    """Totals of one version, one model, or all."""

    model: str
    version: str


class AskLoad(_Message, frozen=True):
    """Load or reload a model. `binary` names the parameters that are bytes; nobody needs to know
    which bytes, since artifacts are not taken over the network.
    """

    model: str
    parameters: dict[str, Parameter]
    binary: tuple[str, ...] = ()


class AskUnload(_Message, frozen=True):
    """Unload a model."""

    model: str
    dependents: bool


class AskTfServingMetrics(_Message, frozen=True):
    """The metrics under TensorFlow Serving's names."""


class AskTrace(_Message, frozen=True):
    """The trace settings of a model, or of the server where it is "", after `changes`."""

    model: str
    changes: dict[str, Setting | None]


class AskLog(_Message, frozen=True):
    """The log settings after `changes`."""

    changes: dict[str, Setting | None]


class AskReplace(_Message, frozen=True):
    """Serve these models in place of all that the model config named."""

    models: tuple[ServedModel, ...]


Question = (
    AskIndex
    | AskStatistics
    | AskLoad
    | AskUnload
    | AskReplace
    | AskTfServingMetrics
    | AskTrace
    | AskLog
)


class Ask(_Message, frozen=True):
    """A client's question to the gateway; ended by one Answer, if it is not withdrawn."""

    id: int
    question: Question


class Withdraw(_Message, frozen=True):
    """Nobody waits for the answer any more."""

    id: int


class Stopped(_Message, frozen=True):
    """Nothing is in flight, all is counted; end of file follows."""


FromGateway = (
    Welcome
    | LoadAdded
    | WorkerJoined
    | Trouble
    | Routes
    | Started
    | Serve
    | TraceIs
    | LogIs
    | AccessIs
    | Tell
    | Answer
    | Pause
    | Stop
)
FromFrontend = Hello | Listening | Applied | Released | Counted | Ask | Withdraw | Stopped
