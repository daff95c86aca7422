"""TensorFlow's datatypes and ours, and the list of a TensorProto that holds each."""

from __future__ import annotations

from collections.abc import Mapping

from protos import tf_core_pb2 as core
from runtimes.contract.tensor import Datatype
from server.errors import InvalidArgument, Unsupported

TENSORFLOW: Mapping[Datatype, core.DataType] = {
    Datatype.BOOL: core.DT_BOOL,
    Datatype.UINT8: core.DT_UINT8,
    Datatype.UINT16: core.DT_UINT16,
    Datatype.UINT32: core.DT_UINT32,
    Datatype.UINT64: core.DT_UINT64,
    Datatype.INT8: core.DT_INT8,
    Datatype.INT16: core.DT_INT16,
    Datatype.INT32: core.DT_INT32,
    Datatype.INT64: core.DT_INT64,
    Datatype.FP16: core.DT_HALF,
    Datatype.BF16: core.DT_BFLOAT16,
    Datatype.FP32: core.DT_FLOAT,
    Datatype.FP64: core.DT_DOUBLE,
    Datatype.BYTES: core.DT_STRING,
}
"""Every datatype we have has one of TensorFlow's."""

LISTS: Mapping[Datatype, str] = {
    Datatype.BOOL: "bool_val",
    Datatype.UINT8: "int_val",
    Datatype.UINT16: "int_val",
    Datatype.UINT32: "uint32_val",
    Datatype.UINT64: "uint64_val",
    Datatype.INT8: "int_val",
    Datatype.INT16: "int_val",
    Datatype.INT32: "int_val",
    Datatype.INT64: "int64_val",
    Datatype.FP16: "half_val",
    Datatype.BF16: "half_val",
    Datatype.FP32: "float_val",
    Datatype.FP64: "double_val",
    Datatype.BYTES: "string_val",
}
"""The list of a TensorProto for each datatype (tensorflow/core/framework/tensor.proto)."""

_OURS: Mapping[int, Datatype] = {number: datatype for datatype, number in TENSORFLOW.items()}


def datatype_of(name: str, number: int) -> Datatype:
    """Our datatype for TensorFlow's `number`, given for input `name`.

    Raises InvalidArgument for none, Unsupported for one that no model here can take.
    """
    found = _OURS.get(number)
    if found is not None:
        return found
    expected = ", ".join(core.DataType.Name(known) for known in sorted(_OURS))
    if number == core.DT_INVALID:
        raise InvalidArgument(f"input '{name}' has no dtype, expected one of {expected}")
    given = core.DataType.Name(number) if number in core.DataType.values() else str(number)
    raise Unsupported(f"input '{name}' has dtype {given}, expected one of {expected}")
