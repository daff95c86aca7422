"""TensorFlow Serving's routes as plain ASGI, answered before the web framework sees them.

Their paths are matched whatever their case, with a colon before the method and in one place for all
refusals, none of which the framework's routing does. For the OpenAPI page they are declared to it
all the same.
"""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.frontends import direct
from server.frontends.tf_serving.rest_calls import RestCalls

PREFIX = "/v1/"


class TfServingDoor:
    """Takes every path below PREFIX, of which there are no others."""

    def __init__(self, calls: RestCalls) -> None:
        self._calls = calls

    def takes(self, scope: Scope) -> bool:
        """True for what is to be served here."""
        return (
            scope["type"] == "http"
            and scope["path"][: len(PREFIX)].lower() == PREFIX
            and not scope.get("root_path")
        )

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request of `scope`."""
        answering = partial(self._calls.answer, scope["method"], scope["path"])
        await direct.serve(answering, scope, receive, send)

    async def by_the_framework(self, request: Request) -> Response:
        """The same as an endpoint of the framework."""
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        answering = partial(self._calls.answer, request.method, path)
        return await direct.by_the_framework(answering, request)
