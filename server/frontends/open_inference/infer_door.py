"""The inference routes as plain ASGI, answered before the web framework sees them.

The same routes are declared to the framework too, for the OpenAPI page, and lead to the same
endpoint by the longer way.
"""

from __future__ import annotations

import re
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.frontends import direct
from server.frontends.open_inference.rest_infer import InferEndpoint
from server.frontends.open_inference.rest_io import VERSION_PATTERN, model_of, version_in_path

_PATH = re.compile(rf"/v2/models/([^/\n]+)(?:/versions/({VERSION_PATTERN}))?/infer")


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
        await direct.serve(partial(self._endpoint.infer, *target), scope, receive, send)

    async def by_the_framework(self, request: Request) -> Response:
        """The same as an endpoint of the framework."""
        return await direct.by_the_framework(
            partial(self._endpoint.infer, *model_of(request)), request
        )
