"""Builds the REST frontend: the FastAPI app with all protocols' routes and one shape of error."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from server.access.access import Access
from server.frontends.gate import Gate
from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.infer_door import InferDoor
from server.frontends.open_inference.rest_infer import PROTOCOL, InferEndpoint
from server.frontends.open_inference.routes import add_routes
from server.frontends.open_inference.schemas import SCHEMAS
from server.frontends.rest_errors import add_error_handlers
from server.frontends.rest_rights import clients_needs
from server.frontends.tf_serving.rest_calls import RestCalls
from server.frontends.tf_serving.rest_door import TfServingDoor
from server.frontends.tf_serving.routes import add_tf_serving_routes
from server.frontends.tf_serving_metrics import add_tf_serving_metrics
from server.planes import ControlPlane, DataPlane

_DESCRIPTION = (
    "Serves models over the Open Inference Protocol and TensorFlow Serving's API. Every refusal is "
    "a JSON object with one field, `error`."
)


class RestApp(FastAPI):
    """FastAPI with doors of their own for what must be fast, whose OpenAPI page carries the schemas
    that the endpoints' descriptions refer to. `door` is the one that a server may use by itself.
    """

    def __init__(
        self, gate: Gate, infer: InferDoor, tf_serving: TfServingDoor, version: str
    ) -> None:
        self.door = infer
        self._gate = gate
        super().__init__(
            title="Underway",
            version=version,
            description=_DESCRIPTION,
            docs_url="/docs",
            redoc_url=None,
            swagger_ui_oauth2_redirect_url=None,
            # A path with a slash too many is unknown, not somewhere else.
            redirect_slashes=False,
        )
        self._tf_serving = tf_serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if (refusal := self._gate.refusal(scope)) is not None:
            await refusal(scope, receive, send)
            return
        target = self.door.target(scope)
        if target is not None:
            await self.door.serve(target, scope, receive, send)
        elif self._tf_serving.takes(scope):
            await self._tf_serving.serve(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, built once."""
        if self.openapi_schema is None:
            document = super().openapi()
            document.setdefault("components", {})["schemas"] = SCHEMAS
        return super().openapi()


def create_app(
    data: DataPlane, control: ControlPlane, limits: FrontendLimits, access: Access
) -> RestApp:
    """The app that answers from `data` and `control` those whom `access` lets in; hand it to any
    ASGI server.
    """
    infer = InferDoor(InferEndpoint(data, limits), access)
    tf_serving = TfServingDoor(RestCalls(data, control, limits))
    app = RestApp(Gate(access, PROTOCOL, clients_needs), infer, tf_serving, limits.server_version)
    add_error_handlers(app)
    add_routes(app, data, control, limits, infer)
    add_tf_serving_routes(app, tf_serving)
    if limits.tf_serving_metrics:
        add_tf_serving_metrics(app, control)
    return app
