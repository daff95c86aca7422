"""Adds endpoints to the app together with their entry on the OpenAPI page."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from server.frontends.open_inference.rest_io import VERSION, VERSION_PATTERN
from server.frontends.open_inference.schemas import Schema, ref

Endpoint = Callable[[Request], Awaitable[Response]]

MODEL = "/v2/models/{model}"
MODEL_VERSION = f"{MODEL}/versions/{{version:{VERSION}}}"

_ERRORS = {
    400: "The request is wrong; sending it again will not help.",
    404: "No such model, version or region.",
    413: "Larger than max_message_bytes.",
    429: "Too much is in flight; come back after Retry-After seconds.",
    499: "The client went away.",
    500: "The model or the server failed.",
    501: "Understood, but not offered by this server.",
    503: "Not ready.",
    504: "The request's timeout passed.",
}
_PARAMETERS: dict[str, Schema] = {
    "model": {"type": "string"},
    "version": {"type": "string", "pattern": f"^({VERSION_PATTERN})$"},
    "label": {"type": "string"},
    "repository": {"type": "string"},
    "region": {"type": "string"},
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What the OpenAPI page says of an endpoint.

    `answer` is the schema of a 200's JSON, None for an empty body. `body` is OpenAPI's
    requestBody, `answers` more of a 200 than its JSON, `headers` request headers by name.
    `bare` says that errors come without a body.
    """

    summary: str
    description: str
    answer: Schema | None = None
    body: Schema | None = None
    answers: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[int] = ()
    bare: bool = False


def add(
    app: FastAPI,
    method: str,
    paths: Sequence[str],
    endpoint: Endpoint,
    operation: Operation,
) -> None:
    """Serve `endpoint` under each of `paths`, described by `operation`."""
    for path in paths:
        app.add_api_route(
            path,
            endpoint,
            methods=[method],
            response_model=None,
            response_class=Response,
            summary=operation.summary,
            description=operation.description,
            responses=_responses(operation),
            operation_id=_operation_id(method, path),
            openapi_extra=_extra(path, operation),
        )


def json_request(schema: str, *, required: bool = False) -> Schema:
    """OpenAPI's requestBody for a JSON body of a named schema."""
    return {"required": required, "content": {"application/json": {"schema": ref(schema)}}}


def _operation_id(method: str, path: str) -> str:
    _, version, rest = path.split("/", 2) if path.count("/") > 1 else (*path.split("/"), "")
    return "_".join([method.lower(), *re.findall(r"[a-z0-9]+", rest), version])


def _responses(operation: Operation) -> dict[int | str, dict[str, object]]:
    success: dict[str, object] = {"description": "Done; the body is empty."}
    if operation.answer is not None:
        success = {
            "description": "The answer.",
            "content": {"application/json": {"schema": operation.answer}},
        }
    success |= operation.answers
    error = {"application/json": {"schema": ref("Error")}}
    responses: dict[int | str, dict[str, object]] = {200: success}
    for status in operation.errors:
        responses[status] = {"description": _ERRORS[status]}
        if not operation.bare:
            responses[status]["content"] = error
    return responses


def _extra(path: str, operation: Operation) -> dict[str, object]:
    parameters: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": _PARAMETERS[name]}
        for name in re.findall(r"{(\w+)", path)
    ]
    parameters += [
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": text}
        for name, text in operation.headers.items()
    ]
    extra: dict[str, object] = {"parameters": parameters}
    if operation.body is not None:
        extra["requestBody"] = operation.body
    return extra
