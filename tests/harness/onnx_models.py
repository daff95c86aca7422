"""Small ONNX models that tell their versions apart: y = factor * x for FP32 rows of two."""

from __future__ import annotations

import struct
from pathlib import Path

from onnx import TensorProto, helper

WEIGHTS = "weights.bin"


def scaling(factor: float, external: bool = False) -> bytes:
    """A model.onnx; with `external` its weight lies in a file WEIGHTS beside it."""
    weight = TensorProto(name="factor", data_type=TensorProto.FLOAT, dims=[2])
    if external:
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", WEIGHTS), ("length", "8")):
            weight.external_data.add(key=key, value=value)
    else:
        weight.raw_data = weights(factor)
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 2]) for n in ("x", "y"))
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])], "scaling", [x], [y], [weight]
    )
    opsets = [helper.make_opsetid("", 18)]
    model: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    return model


def weights(factor: float) -> bytes:
    """The content of WEIGHTS."""
    return struct.pack("<2f", factor, factor)


def save_scaling(folder: Path, factor: float) -> Path:
    """Write `folder/model.onnx`, the folder too; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    path.write_bytes(scaling(factor))
    return path
