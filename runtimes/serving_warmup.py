"""Reads `assets.extra/tf_serving_warmup_requests`, the requests that TensorFlow Serving warms up
with: a TFRecord file of PredictionLog messages beside a SavedModel's graph."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from runtimes.arrays import to_tensor
from runtimes.contract.tensor import ITEM_SIZE, MAX_RANK, Datatype, Signature, Tensor, pack_bytes
from runtimes.prediction_log import Logged, NotRunError, requests_of
from runtimes.proto_fields import MalformedError
from runtimes.runtime import LoadError, ModelError, RecordedRequest
from runtimes.samples import MAX_FILE_BYTES, check_file
from runtimes.savedmodel_signatures import DATATYPES

FILE = "tf_serving_warmup_requests"
FOLDER = "assets.extra"
MAX_RECORDS = 1000
"""TensorFlow Serving's own bound."""

_LENGTH = struct.Struct("<Q")
_HEADER = 12  # length, and the CRC of it
_FOOTER = 4  # the CRC of what lies between


def recorded_requests(
    artifact: str, default: str, signatures: Mapping[str, Signature]
) -> Iterator[RecordedRequest]:
    """Every request that the file holds, as tensors by the artifact's names; none without a file.

    `signatures` are all that are served, under those names. What the requests hold is bounded
    together. Raises LoadError naming the record.
    """
    path = Path(artifact) / FOLDER / FILE
    if not path.exists():
        return
    try:
        check_file(path)
        _check_lengths(path)
    except LoadError as error:
        raise LoadError(f"{FILE} {error}") from None
    left = MAX_FILE_BYTES
    for number, record in enumerate(_records(path), 1):
        name = f"{FILE} record {number}"
        try:
            for logged in requests_of(record):
                signature = signatures.get(logged.signature or default)
                if signature is None:
                    raise LoadError(_unknown(logged.signature or default, signatures))
                inputs = _tensors(logged, signature, left)
                left -= sum(len(tensor.data) for tensor in inputs)
                yield RecordedRequest(name, logged.signature or default, inputs)
        except MalformedError as error:
            raise LoadError(f"{name}: is no PredictionLog: {error}") from None
        except (NotRunError, LoadError) as error:
            raise LoadError(f"{name}: {error}") from None


def _check_lengths(path: Path) -> None:
    """Refuse what would make TensorFlow's reader ask for memory that the file cannot fill."""
    size, at, count = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            header = file.read(_HEADER)
            count += 1
            if len(header) < _HEADER:
                raise LoadError(f"record {count}: the file ends in the middle of it")
            (length,) = _LENGTH.unpack_from(header)
            at += _HEADER + length + _FOOTER
            if at > size:
                raise LoadError(
                    f"record {count}: says that it has {length} bytes, but the file ends before"
                )
            if count > MAX_RECORDS:
                raise LoadError(f"holds more than {MAX_RECORDS} records; keep the best of them")


def _records(path: Path) -> Iterator[bytes]:
    """The records; TensorFlow's own reader checks their CRCs."""
    with tf.device("/CPU:0"):
        records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    count = 0
    while True:
        count += 1
        try:
            record = next(records, None)
        except tf.errors.DataLossError:
            raise LoadError(
                f"{FILE} record {count}: its checksum does not agree with it; write the file anew"
            ) from None
        if record is None:
            return
        yield record


def _unknown(name: str, signatures: Mapping[str, Signature]) -> str:
    known = ", ".join(f"'{one}'" for one in signatures)
    return f"asks for signature '{name[:100]}'; the model serves {known}"


def _tensors(logged: Logged, signature: Signature, most: int) -> tuple[Tensor, ...]:
    if logged.tensors:
        return tuple(_tensor(name, data, most) for name, data in logged.tensors.items())
    if not logged.examples:
        raise LoadError("holds no inputs")
    spec = signature.inputs[0] if len(signature.inputs) == 1 else None
    if spec is None or spec.datatype is not Datatype.BYTES or len(spec.shape) != 1:
        raise LoadError(
            "holds tf.Examples, but its signature does not take them: expected one BYTES input "
            "of shape [-1]"
        )
    data = pack_bytes(logged.examples)
    return (Tensor(spec.name, spec.datatype, (len(logged.examples),), data),)


def _tensor(name: str, data: bytes, most: int) -> Tensor:
    try:
        proto = tensor_pb2.TensorProto.FromString(data)
        datatype = DATATYPES.get(tf.dtypes.as_dtype(proto.dtype))
    except Exception as error:  # protobuf's own class, and TypeError for a type that is none
        raise LoadError(f"input '{name}' is no TensorProto ({type(error).__name__})") from None
    if datatype is None:
        raise LoadError(f"input '{name}' is of a type that no request can carry")
    dims = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or len(dims) > MAX_RANK or min(dims, default=0) < 0:
        raise LoadError(f"input '{name}' has no proper shape")
    # Checked before it is made: one value stands for as many as the shape says.
    size = math.prod(dims) * ITEM_SIZE.get(datatype, 4)
    if size > most:
        raise LoadError(
            f"input '{name}' of shape {dims} makes more than {MAX_FILE_BYTES} bytes in all"
        )
    try:
        array = np.asarray(tf.make_ndarray(proto))
        return to_tensor(name, datatype, array)
    except (ValueError, TypeError, ModelError):
        raise LoadError(f"input '{name}' does not hold what its shape {dims} says") from None
