"""The inference routes as plain ASGI, answered before the web framework sees them.

Routing, middleware and request objects of the framework cost several times what an inference costs
here. The same routes are declared to the framework too, for the OpenAPI page, and lead to the same
endpoint by the longer way.
"""

from __future__ import annotations

import re

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.errors import ServingError
from server.frontends.open_inference.rest_infer import InferAnswer, InferEndpoint, RawFields
from server.frontends.open_inference.rest_io import VERSION_PATTERN, model_of, version_in_path
from server.frontends.rest_errors import UNEXPECTED, error_response, serving_error_response

_PATH = re.compile(rf"/v2/models/([^/\n]+)(?:/versions/({VERSION_PATTERN}))?/infer")

_log = structlog.get_logger(__name__)


class InferDoor:
    """Takes what is for `endpoint`, and knows what is not."""

    def __init__(self, endpoint: InferEndpoint) -> None:
        self._endpoint = endpoint

    def target(self, scope: Scope) -> tuple[str, str] | None:
        """Model and version ("" for the default) that `scope` asks to infer; None if it does not.

        None leaves a request to the framework, which finds all else that a path may be.
        """
        if scope["type"] != "http" or scope["method"] != "POST" or scope.get("root_path"):
            return None
        found = _PATH.fullmatch(scope["path"])
        if found is None:
            return None
        model, version = found.groups()
        return model, version_in_path(version) if version else ""

    async def serve(
        self, target: tuple[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer the request of `scope`, for which `target` was found."""
        model, version = target
        # Of a header given twice the first counts, as with the framework.
        headers = dict(reversed(list(scope["headers"])))
        told: RawFields = []
        try:
            answer = await self._endpoint.infer(model, version, headers, receive, told)
        except ServingError as error:
            refusal = serving_error_response(error)
        except Exception:
            _log.exception("unexpected error", method=scope["method"], path=scope["path"])
            refusal = error_response(500, UNEXPECTED)
        else:
            answer.headers.extend(told)
            await _send(answer, send)
            return
        refusal.raw_headers.extend(told)
        await refusal(scope, receive, send)

    async def by_the_framework(self, request: Request) -> Response:
        """The same as an endpoint of the framework."""
        model, version = model_of(request)
        headers = dict(reversed(request.headers.raw))
        told: RawFields = []
        answer = await self._endpoint.infer(model, version, headers, request.receive, told)
        response = Response(b"".join(answer.parts))
        response.raw_headers += answer.headers + told
        return response


async def _send(answer: InferAnswer, send: Send) -> None:
    headers = [*answer.headers, (b"content-length", b"%d" % answer.size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    # Tensors are views into buffers that are not ours to keep until a slow client has read them.
    await send({"type": "http.response.body", "body": b"".join(answer.parts)})
