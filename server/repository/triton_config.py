"""Reads a config.pbtxt into a model's settings; refuses by name every field it cannot honour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from google.protobuf import json_format
from google.protobuf.message import Message

from protos import model_config_pb2 as pb
from runtimes.contract.messages import Batching, WarmupSample
from runtimes.contract.tensor import Datatype, TensorSpec
from server.repository.errors import RepositoryError
from server.repository.files import LabelReader
from server.repository.names import CONFIG_PBTXT, FILE_RULE, is_file_name, parse_version, shown
from server.repository.settings import ModelSettings, VersionPolicy
from server.repository.settings_check import MAX_WORKERS, problems
from server.repository.text_proto import parse_text, refusal

FILE_NAME = CONFIG_PBTXT

Tree = Mapping[str, "Tree | None"]

_SUPPORTED: Tree = {
    "name": None,
    "platform": None,
    "backend": None,
    "max_batch_size": None,
    "default_model_filename": None,
    "input": {"name": None, "data_type": None, "dims": None, "optional": None},
    "output": {"name": None, "data_type": None, "dims": None, "label_filename": None},
    "instance_group": {"name": None, "count": None, "kind": None, "gpus": None},
    "dynamic_batching": {"max_queue_delay_microseconds": None},
    "version_policy": {
        "latest": {"num_versions": None},
        "all": {},
        "specific": {"versions": None},
    },
    "model_warmup": {
        "name": None,
        "batch_size": None,
        "count": None,
        "inputs": {"data_type": None, "dims": None, "zero_data": None, "random_data": None},
    },
    "parameters": {"string_value": None},
    # Allowed only while they say what holds anyway: one response per request, no cache.
    "model_transaction_policy": {},
    "response_cache": {},
}
_RUNTIME_OF_PLATFORM = {
    "onnxruntime_onnx": "onnx",
    "pytorch_libtorch": "torchscript",
    "tensorflow_savedmodel": "savedmodel",
}
_RUNTIME_OF_BACKEND = {
    "onnxruntime": "onnx",
    "pytorch": "torchscript",
    "tensorflow": "savedmodel",
}
_DATATYPES = {
    getattr(pb, f"TYPE_{'STRING' if datatype is Datatype.BYTES else datatype}"): datatype
    for datatype in Datatype
}


class _Refused(Exception):
    """A field has a value that cannot be honoured; the message names both."""


def parse_triton_config(text: str, model: str, read_labels: LabelReader) -> ModelSettings:
    """The settings of `model` that `text`, a ModelConfig in protobuf's text form, gives.

    A group of kind KIND_GPU that lists no gpus runs on the first GPU. Where neither inputs, outputs
    nor max_batch_size are given, all three are left to the artifact. Raises RepositoryError.
    """
    config = pb.ModelConfig()
    parse_text(text, config, FILE_NAME)
    return _checked(config, model, read_labels)


def parse_triton_json(text: str, model: str) -> ModelSettings:
    """As parse_triton_config, for the JSON form that load requests carry.

    Label files cannot be named in it. Raises RepositoryError.
    """
    config = pb.ModelConfig()
    try:
        json_format.Parse(text, config)
    except json_format.ParseError as error:
        raise RepositoryError(f"not a model configuration: {str(error)[:200]}") from None
    return _checked(config, model, _no_labels)


def _no_labels(file_name: str) -> tuple[str, ...]:
    raise RepositoryError(f"label_filename: {shown(file_name)} cannot be named in a load request")


def _checked(config: pb.ModelConfig, model: str, read_labels: LabelReader) -> ModelSettings:
    unsupported = [
        f"field '{path}' is not supported" for path in _unsupported(config, _SUPPORTED, "")
    ]
    if unsupported:
        raise refusal(FILE_NAME, unsupported)
    try:
        settings = _settings(config, model, read_labels)
    except _Refused as error:
        raise refusal(FILE_NAME, [str(error)]) from None
    if found := problems(settings):
        raise refusal(FILE_NAME, found)
    return settings


def _unsupported(message: Message, tree: Tree, prefix: str) -> Iterator[str]:
    """The path of each field that is set in `message` but missing in `tree`."""
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        if field.name not in tree:
            yield path
            continue
        below = tree[field.name]
        if below is None:
            continue
        for suffix, item in _items(value):
            yield from _unsupported(item, below, f"{path}{suffix}.")


def _items(value: object) -> Iterator[tuple[str, Message]]:
    """The messages in a field's value, each with the index or key that leads to it."""
    if isinstance(value, Message):
        yield "", value
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield f"[{shown(key)}]", value[key]
    elif isinstance(value, Sequence):
        for index, item in enumerate(value):
            yield f"[{index}]", item


def _settings(config: pb.ModelConfig, model: str, read_labels: LabelReader) -> ModelSettings:
    if config.name not in ("", model):
        raise _Refused(f"name is {shown(config.name)}, expected the folder's name '{model}'")
    if config.max_batch_size < 0:
        raise _Refused(f"max_batch_size is {config.max_batch_size}, expected 0 or more")
    if config.default_model_filename and not is_file_name(config.default_model_filename):
        name = shown(config.default_model_filename)
        raise _Refused(f"default_model_filename is {name}, expected {FILE_RULE}")
    batched = config.max_batch_size > 0
    silent = not (batched or config.input or config.output)
    workers, devices = _placement(config.instance_group)
    return ModelSettings(
        name=model,
        runtime=_runtime(config),
        inputs=tuple(
            TensorSpec(
                item.name,
                _datatype(item.data_type, f"input[{index}]"),
                _shape(item.dims, batched),
                item.optional,
            )
            for index, item in enumerate(config.input)
        ),
        outputs=tuple(
            TensorSpec(
                item.name,
                _datatype(item.data_type, f"output[{index}]"),
                _shape(item.dims, batched),
            )
            for index, item in enumerate(config.output)
        ),
        max_batch_size=None if silent else config.max_batch_size,
        batching=_batching(config),
        version_policy=_policy(config),
        workers=workers,
        devices=devices,
        default_artifact=config.default_model_filename,
        options={key: item.string_value for key, item in sorted(config.parameters.items())},
        output_labels={
            item.name: read_labels(item.label_filename)
            for item in config.output
            if item.label_filename
        },
        warmup=tuple(_sample(item, batched) for item in config.model_warmup),
    )


def _runtime(config: pb.ModelConfig) -> str:
    told = {
        (field, value): names.get(value)
        for field, value, names in (
            ("platform", config.platform, _RUNTIME_OF_PLATFORM),
            ("backend", config.backend, _RUNTIME_OF_BACKEND),
        )
        if value
    }
    for (field, value), runtime in told.items():
        if runtime is None:
            known = _RUNTIME_OF_PLATFORM if field == "platform" else _RUNTIME_OF_BACKEND
            raise _Refused(f"{field} {shown(value)} is not supported, only {', '.join(known)}")
    runtimes = {runtime for runtime in told.values() if runtime}
    if len(runtimes) > 1:
        raise _Refused("platform and backend name different runtimes")
    return runtimes.pop() if runtimes else ""


def _datatype(value: pb.DataType, where: str) -> Datatype:
    if value not in _DATATYPES:
        raise _Refused(f"{where}.data_type is missing or TYPE_INVALID, expected such as TYPE_FP32")
    return _DATATYPES[value]


def _shape(dims: Sequence[int], batched: bool) -> tuple[int, ...]:
    return (-1, *dims) if batched else tuple(dims)


def _batching(config: pb.ModelConfig) -> Batching | None:
    if not config.HasField("dynamic_batching"):
        return None
    return Batching(config.dynamic_batching.max_queue_delay_microseconds)


def _policy(config: pb.ModelConfig) -> VersionPolicy:
    choice = config.version_policy.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(latest=None)
    if choice == "specific":
        versions = tuple(sorted(set(config.version_policy.specific.versions)))
        if not versions or any(parse_version(str(item)) is None for item in versions):
            raise _Refused("version_policy.specific.versions: expected versions of 1 or more")
        return VersionPolicy(latest=None, specific=versions)
    if choice == "latest":
        # An absent number reads as 0 and means one, as without any policy.
        return VersionPolicy(latest=max(1, config.version_policy.latest.num_versions))
    return VersionPolicy()


def _placement(groups: Sequence[pb.ModelInstanceGroup]) -> tuple[int, tuple[str, ...]]:
    """Workers and their devices: `count` of each group on each of the group's devices."""
    devices: list[str] = []
    for index, group in enumerate(groups):
        where = f"instance_group[{index}]"
        if not 0 <= group.count <= MAX_WORKERS:
            raise _Refused(f"{where}.count is {group.count}, expected 1 to {MAX_WORKERS}")
        devices += _devices(group, where) * max(1, group.count)
        if len(devices) > MAX_WORKERS:
            raise _Refused(f"{where} brings more than {MAX_WORKERS} workers in all")
    if not devices:
        return 1, ("auto",)
    return len(devices), tuple(devices[:1] if len(set(devices)) == 1 else devices)


def _devices(group: pb.ModelInstanceGroup, where: str) -> list[str]:
    if group.kind == pb.ModelInstanceGroup.KIND_MODEL:
        raise _Refused(f"{where}.kind KIND_MODEL is not supported")
    if group.kind == pb.ModelInstanceGroup.KIND_CPU:
        if group.gpus:
            raise _Refused(f"{where}.gpus: not with KIND_CPU")
        return ["cpu"]
    if len(group.gpus) > MAX_WORKERS or any(not 0 <= gpu <= 999 for gpu in group.gpus):
        raise _Refused(f"{where}.gpus: expected at most {MAX_WORKERS} numbers from 0 to 999")
    if group.gpus:
        return [f"cuda:{gpu}" for gpu in group.gpus]
    return ["cuda:0"] if group.kind == pb.ModelInstanceGroup.KIND_GPU else ["auto"]


def _sample(entry: pb.ModelWarmup, batched: bool) -> WarmupSample:
    where = f"model_warmup {shown(entry.name)}"
    if entry.batch_size > 1 and not batched:
        raise _Refused(f"{where}: batch_size {entry.batch_size} needs max_batch_size above 0")
    inputs: list[TensorSpec] = []
    fills: set[str] = set()
    for name, item in sorted(entry.inputs.items()):
        source = item.WhichOneof("input_data_type")
        if source is None:
            raise _Refused(f"{where}: input {shown(name)} needs zero_data or random_data")
        fills.add(source.removesuffix("_data"))
        shape = ((max(1, entry.batch_size),) if batched else ()) + tuple(item.dims)
        datatype = _datatype(item.data_type, f"{where}: inputs[{shown(name)}]")
        inputs.append(TensorSpec(name, datatype, shape))
    if len(fills) > 1:
        raise _Refused(f"{where}: expected zero_data or random_data for all inputs, not both")
    fill = fills.pop() if fills else "zero"
    return WarmupSample(entry.name, tuple(inputs), fill, max(1, entry.count))
