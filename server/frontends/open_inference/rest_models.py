"""The endpoints that tell about the server and its models, and change nothing."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from server.errors import Unavailable
from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.extensions import EXTENSIONS
from server.frontends.open_inference.model_config import model_config
from server.frontends.open_inference.rest_io import json_answer, model_of
from server.frontends.open_inference.signatures import described, described_tensor
from server.frontends.open_inference.statistics import model_statistics
from server.planes import SERVER_NAME, ControlPlane, DataPlane, ModelMetadata


class ModelEndpoints:
    """Health, metadata and configuration from `data`, statistics from `control`."""

    def __init__(self, data: DataPlane, control: ControlPlane, limits: FrontendLimits) -> None:
        self._data = data
        self._control = control
        self._server = {
            "name": SERVER_NAME,
            "version": limits.server_version,
            "extensions": EXTENSIONS,
        }

    async def live(self, _request: Request) -> Response:
        """200 or 503, without a body."""
        return Response(status_code=200 if self._data.live() else 503)

    async def ready(self, _request: Request) -> Response:
        """200 or 503, without a body."""
        return Response(status_code=200 if self._data.ready() else 503)

    async def server_metadata(self, _request: Request) -> Response:
        """Name, version and extensions."""
        return json_answer(self._server)

    async def model_ready(self, request: Request) -> Response:
        """200 without a body, or 503 saying so."""
        model, version = model_of(request)
        if not self._data.model_ready(model, version):
            raise Unavailable("Model version not ready")
        return Response()

    async def model_metadata(self, request: Request) -> Response:
        """Versions, platform, inputs and outputs."""
        return json_answer(_metadata(self._data.metadata(*model_of(request))))

    async def config(self, request: Request) -> Response:
        """The model's configuration."""
        return json_answer(model_config(self._data.metadata(*model_of(request))))

    async def model_statistics(self, request: Request) -> Response:
        """Totals of one version, or of all of one model."""
        statistics = await self._control.statistics(*model_of(request))
        return json_answer(model_statistics(statistics))

    async def statistics(self, _request: Request) -> Response:
        """Totals of every version of every model."""
        return json_answer(model_statistics(await self._control.statistics("", "")))


def _metadata(metadata: ModelMetadata) -> dict[str, object]:
    return {
        "name": metadata.name,
        "versions": [str(version) for version in metadata.versions],
        "platform": metadata.platform,
        "inputs": [described_tensor(spec) for spec in metadata.signature.inputs],
        "outputs": [described_tensor(spec) for spec in metadata.signature.outputs],
        **described(metadata),
    }
