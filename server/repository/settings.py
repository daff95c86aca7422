"""What is configured for one model, whichever file it came from; all fields are already checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from runtimes.contract.messages import Batching, OptionValue, WarmupSample
from runtimes.contract.tensor import TensorSpec


class Precision(StrEnum):
    """How exact FP32 arithmetic is; means the same in every runtime."""

    FP32 = "fp32"
    TF32 = "tf32"
    FP16 = "fp16"


class SwapPolicy(StrEnum):
    """How one version takes over from another.

    SURGE loads the new one while the old one serves, so that both need room for a moment. REPLACE
    ends the old one first: room for one is enough, and the model is gone for the time of a load.
    """

    SURGE = "surge"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """Which versions are aspired: the `latest` n, the `specific` ones, or all (neither set)."""

    latest: int | None = 1
    specific: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """One model's settings.

    `runtime` is "" where the artifact decides. `inputs` and `outputs` carry full shapes, batch
    dimension included (-1), and are empty where the artifact tells. `max_batch_size` is None to
    derive it, 0 for a model without a batch dimension. `devices` are dealt to the workers in turn.
    `output_labels` gives, for an output's name, the label of each class index. `aliases` are the
    names that clients use for inputs and outputs, by those of the artifact.

    `max_queue_rows` and `max_queue_bytes` bound what waits for one worker, 0 for no bound.

    `labels` are names for versions, which may not exist (yet). `keep_previous` asks that the
    version served before stays loaded for a rollback. `footprint_bytes` is the memory that one
    worker needs, None where it is to be estimated. `required` makes the server's readiness depend
    on the model. `origin` is "" in a folder of models, else what tells the object store, or the
    base path of a model config's entry, from another one.
    """

    name: str
    runtime: str = ""
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    max_batch_size: int | None = None
    batching: Batching | None = None
    max_queue_rows: int = 0
    max_queue_bytes: int = 0
    version_policy: VersionPolicy = field(default_factory=VersionPolicy)
    workers: int = 1
    devices: tuple[str, ...] = ("auto",)
    threads: int | None = None
    precision: Precision = Precision.FP32
    default_artifact: str = ""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    output_labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warmup: tuple[WarmupSample, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)
    swap: SwapPolicy = SwapPolicy.SURGE
    keep_previous: bool = False
    footprint_bytes: int | None = None
    required: bool = False
    origin: str = ""
