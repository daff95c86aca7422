"""Reads a model.yaml into a model's settings."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from runtimes.contract.messages import Batching, Padding, WarmupSample
from runtimes.contract.tensor import DYNAMIC, TensorSpec
from server.repository.complaints import complaints
from server.repository.errors import RepositoryError
from server.repository.files import LabelReader
from server.repository.model_file import (
    BatchingEntry,
    ModelFile,
    OutputEntry,
    VersionPolicyEntry,
    WarmupEntry,
    WorkersEntry,
)
from server.repository.names import MODEL_YAML
from server.repository.plain_yaml import PlainYamlError, load
from server.repository.settings import ModelSettings, VersionPolicy
from server.repository.settings_check import problems

FILE_NAME = MODEL_YAML


def parse_model_yaml(text: str, model: str, read_labels: LabelReader) -> ModelSettings:
    """The settings of `model` that `text` gives.

    Raises RepositoryError with one line that names every wrong field and what was expected.
    """
    try:
        data = load(text)
    except PlainYamlError as error:
        raise _refusal([str(error)]) from None
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise _refusal(["expected a mapping of settings"])
    try:
        file = ModelFile.model_validate(data)
    except ValidationError as error:
        raise _refusal(complaints(error, data)) from None
    if found := _contradictions(file):
        raise _refusal(found)
    settings = _settings(file, model, read_labels)
    if found := problems(settings):
        raise _refusal(found)
    return settings


def _refusal(reasons: Sequence[str]) -> RepositoryError:
    return RepositoryError(f"{FILE_NAME}: {'; '.join(reasons)}")


def _contradictions(file: ModelFile) -> list[str]:
    """What no single field's form can say: fields that exclude each other, and integers too big.

    The bound of an option cannot stand in its form, because the union would take the next member
    and make a big integer a float.
    """
    found = [
        f"options.{name}: expected an integer of at most 64 bits"
        for name, value in file.options.items()
        if isinstance(value, int) and not -(2**63) <= value < 2**63
    ]
    if file.device is not None and _workers(file).devices is not None:
        found.append("device and workers.devices exclude each other")
    policy = file.version_policy
    if isinstance(policy, VersionPolicyEntry) and (
        (policy.latest is None) == (policy.specific is None)
    ):
        found.append("version_policy: expected exactly one of latest and specific")
    for index, output in enumerate(file.outputs):
        if output.labels is not None and output.labels_file is not None:
            found.append(f"outputs[{index}]: labels and labels_file exclude each other")
    for index, sample in enumerate(file.warmup):
        if file.max_batch_size == 0 and "batch_size" in sample.model_fields_set:
            found.append(f"warmup[{index}].batch_size: not with max_batch_size 0")
    return found


def _settings(file: ModelFile, model: str, read_labels: LabelReader) -> ModelSettings:
    workers = _workers(file)
    devices = tuple(workers.devices or (file.device or "auto",))
    return ModelSettings(
        name=model,
        runtime=file.runtime or "",
        inputs=tuple(
            TensorSpec(item.name, item.datatype, tuple(item.shape), item.optional)
            for item in file.inputs
        ),
        outputs=tuple(
            TensorSpec(item.name, item.datatype, tuple(item.shape)) for item in file.outputs
        ),
        max_batch_size=file.max_batch_size,
        batching=_batching(file.batching, file.max_batch_size),
        max_queue_rows=file.max_queue_rows or 0,
        max_queue_bytes=file.max_queue_bytes or 0,
        version_policy=_policy(file),
        workers=workers.count or len(devices),
        devices=devices,
        threads=file.threads,
        precision=file.precision,
        default_artifact=file.artifact or "",
        options=dict(file.options),
        aliases=dict(file.aliases),
        output_labels=_labels(file.outputs, read_labels),
        warmup=tuple(_sample(item) for item in file.warmup),
        labels=dict(file.labels),
        swap=file.swap,
        keep_previous=file.keep_previous,
        footprint_bytes=file.footprint_bytes,
        required=file.required,
    )


def _batching(entry: BatchingEntry | None, max_batch_size: int | None) -> Batching | None:
    if entry is None:
        return None
    given, pad = entry.allowed_batch_sizes, None
    sizes = _powers_of_two(max_batch_size or 1) if isinstance(given, str) else tuple(given or ())
    if entry.pad is not None:
        buckets = tuple(entry.pad.buckets or ())
        pad = Padding(entry.pad.value, buckets, entry.pad.mask or "")
    return Batching(entry.max_queue_delay_us, sizes, pad)


def _powers_of_two(most: int) -> tuple[int, ...]:
    """1, 2, 4, … and `most` itself."""
    return tuple(sorted({*(1 << power for power in range(most.bit_length())), most}))


def _workers(file: ModelFile) -> WorkersEntry:
    if isinstance(file.workers, int):
        return WorkersEntry(count=file.workers)
    return file.workers or WorkersEntry()


def _policy(file: ModelFile) -> VersionPolicy:
    policy = file.version_policy
    if policy == "all":
        return VersionPolicy(latest=None)
    if not isinstance(policy, VersionPolicyEntry):
        return VersionPolicy()
    if policy.specific is not None:
        return VersionPolicy(latest=None, specific=tuple(sorted(set(policy.specific))))
    return VersionPolicy(latest=policy.latest)


def _labels(outputs: Sequence[OutputEntry], read_labels: LabelReader) -> dict[str, tuple[str, ...]]:
    labels: dict[str, tuple[str, ...]] = {}
    for output in outputs:
        if output.labels is not None:
            labels[output.name] = tuple(output.labels)
        elif output.labels_file is not None:
            labels[output.name] = read_labels(output.labels_file)
    return labels


def _sample(entry: WarmupEntry) -> WarmupSample:
    return WarmupSample(
        name=entry.name,
        inputs=tuple(
            TensorSpec(item.name, item.datatype, _filled(item.shape, entry.batch_size))
            for item in entry.inputs
        ),
        fill=entry.fill,
        count=entry.count,
        signature=entry.signature,
    )


def _filled(shape: Sequence[int], rows: int) -> tuple[int, ...]:
    """`shape` with a leading -1 replaced by `rows`; any other -1 stays, and is refused later."""
    return (rows, *shape[1:]) if shape and shape[0] == DYNAMIC else tuple(shape)
