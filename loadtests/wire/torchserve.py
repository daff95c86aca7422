"""TorchServe's `/predictions/MODEL`: the one input as JSON lists, the one output likewise."""

from __future__ import annotations

from urllib.parse import quote

import orjson

from loadtests.samples.sample import Answers, Sample
from loadtests.wire.http_call import HttpCall
from loadtests.wire.oip_rest import listed
from runtimes.contract.tensor import Signature


def predictions(model: str, sample: Sample) -> HttpCall:
    """POST /predictions/MODEL. Raises ValueError for a sample of several inputs.

    What a handler takes is its own affair: this is for those that take the input's values as they
    are and give back the output's.
    """
    if len(sample.inputs) != 1:
        raise ValueError(f"torchserve: expected a model with one input, got {len(sample.inputs)}")
    body = orjson.dumps(sample.inputs[0].values)
    path = f"/predictions/{quote(model, safe='')}"
    return HttpCall(path, {"Content-Type": "application/json"}, body)


def read(body: bytes, signature: Signature) -> Answers:
    """The output in an answer, by the name and datatype that `signature` gives its first one."""
    spec = signature.outputs[0]
    values = orjson.loads(body)
    shape: list[int] = []
    inner = values
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    return {spec.name: listed(values, spec.datatype, tuple(shape))}
