"""The form of a model.yaml: its fields, their bounds and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from runtimes.contract.tensor import MAX_ELEMENTS, MAX_RANK, Datatype
from server.repository.names import FILE_PATTERN, LABEL_PATTERN, MAX_VERSION
from server.repository.settings import Precision, SwapPolicy
from server.repository.settings_check import (
    MAX_BATCH_SIZE,
    MAX_BUCKET,
    MAX_BUCKETS,
    MAX_FOOTPRINT_BYTES,
    MAX_LABELS,
    MAX_OPTIONS,
    MAX_QUEUE_BYTES,
    MAX_QUEUE_DELAY_US,
    MAX_QUEUE_ROWS,
    MAX_SPECIFIC,
    MAX_TENSORS,
    MAX_WARMUP_COUNT,
    MAX_WARMUPS,
    MAX_WORKERS,
)

DEVICE_PATTERN = r"^(auto|cpu|cuda:(0|[1-9][0-9]{0,2}))$"

RuntimeName = Literal["echo", "onnx", "savedmodel", "torchscript"]
TensorName = Annotated[str, Field(min_length=1, max_length=512)]
Dimension = Annotated[int, Field(ge=-1, le=MAX_ELEMENTS)]
Shape = Annotated[list[Dimension], Field(max_length=MAX_RANK)]
Element = Annotated[Datatype, Field(strict=False)]
Device = Annotated[str, Field(pattern=DEVICE_PATTERN)]
FileName = Annotated[str, Field(pattern=FILE_PATTERN)]
WorkerCount = Annotated[int, Field(ge=1, le=MAX_WORKERS)]
BatchSize = Annotated[int, Field(ge=1, le=MAX_BATCH_SIZE)]
Bucket = Annotated[int, Field(ge=1, le=MAX_BUCKET)]
VersionNumber = Annotated[int, Field(ge=1, le=MAX_VERSION)]
LabelName = Annotated[str, Field(pattern=LABEL_PATTERN)]
OptionName = Annotated[str, Field(min_length=1, max_length=128)]
OptionValue = bool | int | float | Annotated[str, Field(max_length=4096)]


class Entry(BaseModel):
    """Base of all parts: nothing unknown, nothing converted silently, nothing changed later."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class InputEntry(Entry):
    """One input of the model."""

    name: TensorName
    """The name clients use."""
    datatype: Element
    """One of the Open Inference Protocol's datatypes."""
    shape: Shape
    """All dimensions, the batch dimension included; -1 for any size."""
    optional: bool = False
    """Whether a request may leave this input out."""


class OutputEntry(Entry):
    """One output of the model."""

    name: TensorName
    """The name clients use."""
    datatype: Element
    """One of the Open Inference Protocol's datatypes."""
    shape: Shape
    """All dimensions, the batch dimension included; -1 for any size."""
    labels: Annotated[list[str], Field(min_length=1)] | None = None
    """The label of each class index, for the classification extension."""
    labels_file: FileName | None = None
    """Instead of `labels`: a file beside model.yaml with one label per line."""


class PadEntry(Entry):
    """How inputs of different sizes are made to fit together in their open dimensions."""

    value: Annotated[float, Field(allow_inf_nan=False)] = 0
    """What they are filled with."""
    buckets: Annotated[list[Bucket], Field(min_length=1, max_length=MAX_BUCKETS)] | None = None
    """The sizes they are filled up to; where left out, to the largest of the batch."""
    mask: TensorName | None = None
    """An input that is made where a request brings none: 1 for what is real, 0 for what is not."""


class BatchingEntry(Entry):
    """How waiting requests are joined into one execution."""

    max_queue_delay_us: Annotated[int, Field(ge=0, le=MAX_QUEUE_DELAY_US)] = 0
    """Microseconds to wait for more requests; 0 joins only what is already waiting."""
    allowed_batch_sizes: (
        Annotated[list[BatchSize], Field(min_length=1, max_length=MAX_BUCKETS)]
        | Literal["powers_of_two"]
        | None
    ) = None
    """The sizes that batches are filled up to; any size will do where left out."""
    pad: PadEntry | None = None
    """Join inputs that differ in open dimensions too, filled up to one size."""


class WorkersEntry(Entry):
    """How many worker processes serve each version, and where."""

    count: WorkerCount | None = None
    """Number of workers; one per device where left out."""
    devices: Annotated[list[Device], Field(min_length=1, max_length=MAX_WORKERS)] | None = None
    """Devices dealt to the workers in turn: auto, cpu or cuda:N."""


class VersionPolicyEntry(Entry):
    """Which versions are served; exactly one of the fields."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    latest: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Serve this many of the newest versions."""
    specific: (
        Annotated[
            list[VersionNumber],
            Field(min_length=1, max_length=MAX_SPECIFIC),
        ]
        | None
    ) = None
    """Serve exactly these versions."""


class WarmupInputEntry(Entry):
    """One input of a warm-up request."""

    name: TensorName
    """An input of the model."""
    datatype: Element
    """Its datatype."""
    shape: Shape
    """Its sizes; -1 is allowed as the first one and stands for batch_size."""


class WarmupEntry(Entry):
    """One request that runs before a version becomes ready."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    """A name for messages."""
    batch_size: Annotated[int, Field(ge=1, le=MAX_BATCH_SIZE)] = 1
    """Rows of the request: what -1 stands for in the shapes of its inputs."""
    count: Annotated[int, Field(ge=1, le=MAX_WARMUP_COUNT)] = 1
    """How many times to run it."""
    fill: Literal["zero", "random"] = "zero"
    """What the tensors are filled with."""
    signature: Annotated[str, Field(max_length=512)] = ""
    """Which of the model's signatures it is for; the default one where left out."""
    inputs: Annotated[list[WarmupInputEntry], Field(min_length=1, max_length=256)]
    """The tensors of the request."""


def _form_of_workers(value: object) -> str | None:
    if isinstance(value, Mapping | WorkersEntry):
        return "mapping"
    return "number" if type(value) is int else None


def _form_of_policy(value: object) -> str | None:
    if isinstance(value, Mapping | VersionPolicyEntry):
        return "mapping"
    return "word" if isinstance(value, str) else None


Workers = Annotated[
    Annotated[WorkerCount, Tag("number")] | Annotated[WorkersEntry, Tag("mapping")],
    Discriminator(
        _form_of_workers,
        custom_error_type="form",
        custom_error_message="an integer or a mapping of count and devices",
    ),
]
VersionChoice = Annotated[
    Annotated[Literal["all", "latest"], Tag("word")]
    | Annotated[VersionPolicyEntry, Tag("mapping")],
    Discriminator(
        _form_of_policy,
        custom_error_type="form",
        custom_error_message="'all', 'latest' or a mapping of latest or specific",
    ),
]


class ModelFile(Entry):
    """Settings of one model; every field may be left out where the artifact tells enough."""

    model_config = ConfigDict(title="model.yaml of Underway")

    runtime: RuntimeName | None = None
    """Which runtime opens the artifact; told by the artifact where left out."""
    inputs: Annotated[list[InputEntry], Field(max_length=MAX_TENSORS)] = []
    """The model's inputs in its own order; needed only where the artifact does not tell them."""
    outputs: Annotated[list[OutputEntry], Field(max_length=MAX_TENSORS)] = []
    """The model's outputs in its own order; needed only where the artifact does not tell them."""
    aliases: Annotated[dict[TensorName, TensorName], Field(max_length=MAX_TENSORS)] = {}
    """Names for clients to use, by the artifact's names of inputs and outputs."""
    max_batch_size: Annotated[int, Field(ge=0, le=MAX_BATCH_SIZE)] | None = None
    """Most rows in one execution; 0 for a model without a batch dimension."""
    batching: BatchingEntry | None = None
    """How waiting requests are joined."""
    max_queue_rows: Annotated[int, Field(ge=1, le=MAX_QUEUE_ROWS)] | None = None
    """Most rows that may wait for one worker; more are refused at once."""
    max_queue_bytes: Annotated[int, Field(ge=1, le=MAX_QUEUE_BYTES)] | None = None
    """Most bytes that may wait for one worker; more are refused at once."""
    version_policy: VersionChoice | None = None
    """Which versions are served; the newest one where left out."""
    labels: Annotated[
        dict[LabelName, VersionNumber],
        Field(max_length=MAX_LABELS, json_schema_extra={"additionalProperties": False}),
    ] = {}
    """Names for versions, such as `stable: 3`; a client may ask for the name."""
    swap: Annotated[SwapPolicy, Field(strict=False)] = SwapPolicy.SURGE
    """How a new version takes over: surge has both in memory for a moment, replace has a gap."""
    keep_previous: bool = False
    """Whether the version served before stays loaded, so that a rollback is instant."""
    footprint_bytes: Annotated[int, Field(ge=1, le=MAX_FOOTPRINT_BYTES)] | None = None
    """Memory that one worker needs, in bytes; estimated where left out."""
    required: bool = False
    """Whether the server is ready only while this model can answer."""
    workers: Workers | None = None
    """Worker processes per version: a number, or a mapping of count and devices."""
    device: Device | None = None
    """Where every worker runs: auto, cpu or cuda:N. Not together with workers.devices."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Threads per worker; from the machine's CPU quota where left out."""
    precision: Annotated[Precision, Field(strict=False)] = Precision.FP32
    """How exact FP32 arithmetic is."""
    artifact: FileName | None = None
    """Name of the file or folder to open in a version folder, where it is not a usual one."""
    options: Annotated[dict[OptionName, OptionValue], Field(max_length=MAX_OPTIONS)] = {}
    """Settings that only this runtime knows, such as `gpu_mem_limit`."""
    warmup: Annotated[list[WarmupEntry], Field(max_length=MAX_WARMUPS)] = []
    """Requests that run before a version becomes ready."""
