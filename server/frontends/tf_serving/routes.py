"""What the OpenAPI page says of TensorFlow Serving's routes."""

from __future__ import annotations

from fastapi import FastAPI

from server.frontends.open_inference.openapi import Operation, add
from server.frontends.open_inference.schemas import Schema
from server.frontends.tf_serving.rest_door import TfServingDoor

_MODEL = "/v1/models/{model}"
_PATHS = (_MODEL, f"{_MODEL}/versions/{{version:int}}", f"{_MODEL}/labels/{{label}}")
_OBJECT: Schema = {"type": "object"}
_PREDICT: Schema = {
    "type": "object",
    "properties": {
        "signature_name": {"type": "string"},
        "instances": {"type": "array", "description": "Rows: values, or objects by input name."},
        "inputs": {"description": "Columns: a value, or an object by input name."},
    },
}
_EXAMPLES: Schema = {
    "type": "object",
    "properties": {
        "signature_name": {"type": "string"},
        "context": {"type": "object", "description": "Features that all examples have."},
        "examples": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["examples"],
}
_ERRORS = (400, 404, 413, 429, 499, 500, 501, 503, 504)


def add_tf_serving_routes(app: FastAPI, door: TfServingDoor) -> None:
    """Declare the API to `app`; `door` answers, whichever way a request comes."""
    predict = Operation(
        "TensorFlow Serving: predict",
        "Run a model. Rows under `instances` are answered with `predictions`, columns under "
        '`inputs` with `outputs`. Bytes are `{"b64": "..."}`.',
        _OBJECT,
        _json(_PREDICT),
        errors=_ERRORS,
    )
    classify = Operation(
        "TensorFlow Serving: classify",
        "Classes and scores of every example.",
        _OBJECT,
        _json(_EXAMPLES),
        errors=_ERRORS,
    )
    regress = Operation(
        "TensorFlow Serving: regress",
        "A value for every example.",
        _OBJECT,
        _json(_EXAMPLES),
        errors=_ERRORS,
    )
    for method, operation in (("predict", predict), ("classify", classify), ("regress", regress)):
        add(app, "POST", [f"{path}:{method}" for path in _PATHS], door.by_the_framework, operation)
    metadata = Operation(
        "TensorFlow Serving: metadata", "Every signature.", _OBJECT, errors=(400, 404, 503)
    )
    add(app, "GET", [f"{path}/metadata" for path in _PATHS], door.by_the_framework, metadata)
    status = Operation(
        "TensorFlow Serving: status", "The states of versions.", _OBJECT, errors=(400, 404)
    )
    add(app, "GET", _PATHS, door.by_the_framework, status)


def _json(schema: Schema) -> Schema:
    """OpenAPI's requestBody for a JSON body."""
    return {"required": True, "content": {"application/json": {"schema": schema}}}
