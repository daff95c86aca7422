"""Builds the REST frontend: the FastAPI app with all protocols' routes and one shape of error."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.routes import add_routes
from server.frontends.open_inference.schemas import SCHEMAS
from server.frontends.rest_errors import add_error_handlers
from server.planes import ControlPlane, DataPlane

_DESCRIPTION = (
    "Serves models over the Open Inference Protocol. Every refusal is a JSON object with one "
    "field, `error`."
)


class RestApp(FastAPI):
    """FastAPI whose OpenAPI page carries the schemas the endpoints' descriptions refer to."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, built once."""
        if self.openapi_schema is None:
            document = super().openapi()
            document.setdefault("components", {})["schemas"] = SCHEMAS
        return super().openapi()


def create_app(data: DataPlane, control: ControlPlane, limits: FrontendLimits) -> FastAPI:
    """The app that answers from `data` and `control`; hand it to any ASGI server."""
    app = RestApp(
        title="Underway",
        version=limits.server_version,
        description=_DESCRIPTION,
        docs_url="/docs",
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        # A path with a slash too many is unknown, not somewhere else.
        redirect_slashes=False,
    )
    add_error_handlers(app)
    add_routes(app, data, control, limits)
    return app
