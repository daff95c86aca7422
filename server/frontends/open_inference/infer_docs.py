"""The OpenAPI entry of the inference endpoint: its JSON form, its binary form, and examples."""

from __future__ import annotations

from server.frontends.open_inference.binary_tail import HEADER
from server.frontends.open_inference.openapi import Operation
from server.frontends.open_inference.request_timeout import HEADER as TIMEOUT_HEADER
from server.frontends.open_inference.schemas import Schema, ref

_JSON_REQUEST: Schema = {
    "id": "my-request",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [[0.1, 0.2, 0.7]]}],
}
_STRINGS_REQUEST: Schema = {
    "inputs": [{"name": "text", "datatype": "BYTES", "shape": [2], "data": ["hello", "bonjour"]}],
}
_CLASSES_REQUEST: Schema = _JSON_REQUEST | {
    "outputs": [{"name": "probabilities", "parameters": {"classification": 2}}]
}
_JSON_RESPONSE: Schema = {
    "model_name": "digits",
    "model_version": "1",
    "id": "my-request",
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 3], "data": [0.1, 0.2, 0.7]}],
}
_OCTETS: Schema = {"type": "string", "format": "binary"}

INFER = Operation(
    summary="Infer",
    description=(
        "Run the model on the given inputs.\n\n"
        "**JSON form**: tensors in `data`.\n\n"
        f"**Binary form**: the header `{HEADER}` gives the length of the JSON; the bytes of every "
        "input with `binary_data_size` follow it, in the order of `inputs`: little endian, row "
        "major, each BYTES element behind its length in 4 bytes. The answer has the same form "
        "where an output is requested with `binary_data`, or all are with `binary_data_output`.\n\n"
        f"**Raw form**: `{HEADER}: 0`; the whole body is the one input of the model, with batch "
        "size 1, and every output comes back binary.\n\n"
        "Request and answer may be compressed with gzip or deflate (`Content-Encoding`, "
        "`Accept-Encoding`); lengths are those before compression. JSON cannot say NaN or "
        "infinity: they are refused in a request and null in an answer."
    ),
    answer=ref("InferResponse"),
    body={
        "required": True,
        "content": {
            "application/json": {
                "schema": ref("InferRequest"),
                "examples": {
                    "numbers": {"value": _JSON_REQUEST},
                    "strings": {"value": _STRINGS_REQUEST},
                    "classification": {"value": _CLASSES_REQUEST},
                },
            },
            "application/octet-stream": {"schema": _OCTETS},
        },
    },
    answers={
        "description": "The outputs, in the order they were requested.",
        "headers": {
            HEADER: {
                "description": "Length of the JSON, where binary tensors follow it.",
                "schema": {"type": "integer"},
            }
        },
        "content": {
            "application/json": {
                "schema": ref("InferResponse"),
                "examples": {"numbers": {"value": _JSON_RESPONSE}},
            },
            "application/octet-stream": {"schema": _OCTETS},
        },
    },
    headers={
        HEADER: "Length of the JSON where binary tensors follow it; 0 for the raw form.",
        TIMEOUT_HEADER: "Seconds the answer may take, such as 0.5; no limit where it is absent.",
        "Content-Encoding": "gzip or deflate.",
        "Accept-Encoding": "gzip or deflate, with quality values.",
    },
    errors=(400, 404, 413, 429, 499, 500, 501, 503, 504),
)
