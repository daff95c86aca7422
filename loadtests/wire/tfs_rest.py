"""TensorFlow Serving's REST API: predict, with tensors by name ("columnar")."""

from __future__ import annotations

from urllib.parse import quote

import orjson

from loadtests.samples.sample import Answers, Sample
from loadtests.wire.http_call import HttpCall
from loadtests.wire.oip_rest import listed
from runtimes.contract.tensor import DYNAMIC, Signature


def predict(model: str, sample: Sample) -> HttpCall:
    """POST /v1/models/MODEL:predict."""
    body = orjson.dumps({"inputs": {item.name: item.values for item in sample.inputs}})
    path = f"/v1/models/{quote(model, safe='')}:predict"
    return HttpCall(path, {"Content-Type": "application/json"}, body)


def read(body: bytes, signature: Signature) -> Answers:
    """The outputs in an answer: by name, or alone where the model has one.

    Datatypes and ranks are not in the answer, so they are taken from the model's signature.
    """
    found = orjson.loads(body)["outputs"]
    if not isinstance(found, dict):
        found = {signature.outputs[0].name: found}
    return {
        spec.name: listed(found[spec.name], spec.datatype, _shape(found[spec.name], spec.shape))
        for spec in signature.outputs
        if spec.name in found
    }


def _shape(values: object, spec: tuple[int, ...]) -> tuple[int, ...]:
    """One dimension of any size is worked out by numpy; of several, from the lists themselves."""
    if spec.count(DYNAMIC) <= 1:
        return spec
    shape: list[int] = []
    while isinstance(values, list):
        shape.append(len(values))
        values = values[0] if values else None
    return tuple(shape)
