"""The Open Inference Protocol over REST: with binary tensors, and with JSON alone."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import numpy as np
import orjson

from loadtests.samples.sample import DTYPES, Answers, Array, Sample, array_of
from loadtests.wire.http_call import HttpCall
from runtimes.contract.tensor import Datatype, Tensor

LENGTH = "Inference-Header-Content-Length"


def binary(model: str, sample: Sample) -> HttpCall:
    """Tensors as bytes both ways (the binary tensor data extension)."""
    parts = [item.data for item in sample.inputs]
    inputs = [
        {
            "name": item.name,
            "datatype": item.datatype,
            "shape": item.array.shape,
            "parameters": {"binary_data_size": len(part)},
        }
        for item, part in zip(sample.inputs, parts, strict=True)
    ]
    head = orjson.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}})
    headers = {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}
    return HttpCall(_path(model), headers, b"".join([head, *parts]))


def json(model: str, sample: Sample) -> HttpCall:
    """Tensors as lists both ways."""
    inputs = [
        {
            "name": item.name,
            "datatype": item.datatype,
            "shape": item.array.shape,
            "data": item.values,
        }
        for item in sample.inputs
    ]
    body = orjson.dumps({"inputs": inputs})
    return HttpCall(_path(model), {"Content-Type": "application/json"}, body)


def read(body: bytes, headers: Mapping[str, str]) -> Answers:
    """The outputs in an answer of either kind; raises ValueError where it is none."""
    length = headers.get(LENGTH) or headers.get(LENGTH.lower())
    end = int(length) if length else len(body)
    document = orjson.loads(memoryview(body)[:end])
    outputs: dict[str, Array] = {}
    for item in document["outputs"]:
        datatype, shape = Datatype(item["datatype"]), tuple(item["shape"])
        size = item.get("parameters", {}).get("binary_data_size")
        if size is None:
            outputs[item["name"]] = listed(item["data"], datatype, shape)
            continue
        content = memoryview(body)[end : end + size]
        outputs[item["name"]] = array_of(Tensor(item["name"], datatype, shape, content))
        end += size
    return outputs


def listed(values: object, datatype: Datatype, shape: tuple[int, ...]) -> Array:
    """Values of a JSON document as an array, texts as `bytes`."""
    if datatype is Datatype.BYTES:
        texts = np.array(values, object).ravel().tolist()
        return np.array([*(str(text).encode() for text in texts), None], object)[:-1].reshape(shape)
    return np.array(values, DTYPES[datatype]).reshape(shape)


def _path(model: str) -> str:
    return f"/v2/models/{quote(model, safe='')}/infer"
