"""Examples, the input of Classify and Regress calls, to the tensors that a signature takes.

A signature made for examples takes them serialized, in its one string input. Any other names the
features it takes, and gets each as a tensor, one row per example.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as pb
from runtimes.contract.tensor import (
    DYNAMIC,
    PREDICT,
    Datatype,
    Signature,
    Tensor,
    TensorSpec,
    element_count,
    pack_bytes,
)
from server.errors import InvalidArgument
from server.frontends.grpc_wire import parse
from server.frontends.tf_serving.choice import Chosen
from server.frontends.tf_serving.numbers import pack_values, refuse_ragged
from server.frontends.tf_serving.tensors import Room
from server.inference import check_shape

_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def example_tensors(chosen: Chosen, given: pb.Input, limit: int) -> tuple[list[Tensor], int]:
    """The inputs of the signature chosen, and how many examples there are.

    `limit` bounds the bytes of a context that is part of every example. Raises InvalidArgument
    naming the feature, TooLarge.
    """
    serialized = _serialized(given, Room(limit))
    if not serialized:
        raise InvalidArgument("Input is empty.")
    signature = chosen.signature
    only = signature.inputs[0] if len(signature.inputs) == 1 else None
    if only is not None and only.datatype is Datatype.BYTES:
        first = parse(core.Example, serialized[0]).features.feature
        # Where the method does not tell what a string input is for, its name does.
        if chosen.method != PREDICT or only.name not in first:
            return [_strings(only, serialized)], len(serialized)
    return _features(signature, serialized), len(serialized)


def _serialized(given: pb.Input, room: Room) -> list[bytes]:
    """Every example with its context. Joined bytes are a joined message, in which the last one
    of two features of one name counts: the example's own.
    """
    if not given.HasField("example_list_with_context"):
        return [example.SerializeToString() for example in given.example_list.examples]
    listed = given.example_list_with_context
    context: bytes = listed.context.SerializeToString()
    room.take("the context of the examples", len(context) * len(listed.examples))
    return [context + example.SerializeToString() for example in listed.examples]


def _strings(spec: TensorSpec, serialized: Sequence[bytes]) -> Tensor:
    rows = len(serialized)
    if len(spec.shape) > 1:
        shape = (rows, *(1 for _ in spec.shape[1:]))
    else:
        shape = (rows,) if spec.shape else ()
    if element_count(shape) != rows:
        raise InvalidArgument(f"input '{spec.name}' takes 1 example, got {rows}")
    return Tensor(spec.name, Datatype.BYTES, shape, pack_bytes(serialized))


def _features(signature: Signature, serialized: Sequence[bytes]) -> list[Tensor]:
    examples = [parse(core.Example, one).features.feature for one in serialized]
    return [
        _feature(spec, [_values(spec, features, row) for row, features in enumerate(examples)])
        for spec in signature.inputs
        if not spec.optional or any(spec.name in features for features in examples)
    ]


def _values(spec: TensorSpec, features: Mapping[str, core.Feature], row: int) -> list[object]:
    """What one example has for an input."""
    if spec.name not in features:  # asking a map for what it does not have would add it
        raise InvalidArgument(f"example {row} has no feature '{spec.name}', which the model takes")
    feature = features[spec.name]
    kind = feature.WhichOneof("kind")
    if kind is None:
        return []
    values = list(getattr(feature, kind).value)
    if (spec.datatype is Datatype.BYTES) != (kind == "bytes_list"):
        raise InvalidArgument(
            f"feature '{spec.name}' of example {row} is a list of {_KINDS[kind]}, but the model "
            f"takes {spec.datatype}"
        )
    return [_truth(spec, value) for value in values] if spec.datatype is Datatype.BOOL else values


def _truth(spec: TensorSpec, value: object) -> bool:
    """A bool, which examples have as an integer."""
    if value not in (0, 1) or type(value) is not int:
        raise InvalidArgument(f"feature '{spec.name}' holds {value}, expected 0 or 1 for BOOL")
    return bool(value)


def _feature(spec: TensorSpec, rows: Sequence[list[object]]) -> Tensor:
    lengths = [len(row) for row in rows]
    refuse_ragged(spec.name, lengths)
    shape = (len(rows), *_dims(spec, lengths[0]))
    check_shape(spec.name, shape)
    flat = [value for row in rows for value in row]
    if spec.datatype is Datatype.BYTES:
        packed = pack_bytes([value for value in flat if isinstance(value, bytes)])
    else:
        packed = pack_values(spec.name, spec.datatype, shape, flat)
    return Tensor(spec.name, spec.datatype, shape, packed)


def _dims(spec: TensorSpec, length: int) -> tuple[int, ...]:
    """A row's dimensions; of several unknown ones all but the first are taken as 1."""
    dims = list(spec.shape[1:])
    unknown = [position for position, dim in enumerate(dims) if dim == DYNAMIC]
    for position in unknown:
        dims[position] = 1
    if unknown and (others := math.prod(dims)):
        dims[unknown[0]] = length // others
    if math.prod(dims) != length:
        raise InvalidArgument(
            f"feature '{spec.name}' has {length} values for an example, but a row of the model's "
            f"input has shape {list(spec.shape[1:])}"
        )
    return tuple(dims)
