"""Everything a client may ask over gRPC besides inference: messages in, messages out."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.json_format import ParseDict

from protos import inference_pb2 as pb
from protos import model_config_pb2
from runtimes.contract.tensor import TensorSpec
from server.errors import InvalidArgument, NotFound, Unsupported
from server.frontends.open_inference.extensions import EXTENSIONS
from server.frontends.open_inference.grpc_codec import choice_of, model_name, version_number
from server.frontends.open_inference.model_config import model_config
from server.frontends.open_inference.states import protocol_state
from server.frontends.open_inference.statistics import model_statistics
from server.planes import SERVER_NAME, ControlPlane, DataPlane


class Queries:
    """Answers about health, models, statistics and the repository."""

    def __init__(self, data: DataPlane, control: ControlPlane, server_version: str) -> None:
        self._data = data
        self._control = control
        self._server_version = server_version

    def server_live(self, request: pb.ServerLiveRequest) -> pb.ServerLiveResponse:
        """Whether the gateway's loop runs."""
        return pb.ServerLiveResponse(live=self._data.live())

    def server_ready(self, request: pb.ServerReadyRequest) -> pb.ServerReadyResponse:
        """Whether every model can answer."""
        return pb.ServerReadyResponse(ready=self._data.ready())

    def model_ready(self, request: pb.ModelReadyRequest) -> pb.ModelReadyResponse:
        """Whether one model can answer.

        A model that is unknown is not ready, rather than an error: clients ask in a loop for
        models that are about to be published.
        """
        name = model_name("name", request.name)
        version = version_number(request.version)
        try:
            ready = self._data.model_ready(name, version)
        except NotFound:
            ready = False
        return pb.ModelReadyResponse(ready=ready)

    def server_metadata(self, request: pb.ServerMetadataRequest) -> pb.ServerMetadataResponse:
        """Who answers, and which extensions of the protocol it has."""
        return pb.ServerMetadataResponse(
            name=SERVER_NAME, version=self._server_version, extensions=EXTENSIONS
        )

    def model_metadata(self, request: pb.ModelMetadataRequest) -> pb.ModelMetadataResponse:
        """A model's versions, inputs and outputs."""
        name, version = model_name("name", request.name), version_number(request.version)
        metadata = self._data.metadata(name, version)
        return pb.ModelMetadataResponse(
            name=metadata.name,
            versions=[str(number) for number in metadata.versions],
            platform=metadata.platform,
            inputs=[_described(spec) for spec in metadata.signature.inputs],
            outputs=[_described(spec) for spec in metadata.signature.outputs],
        )

    def model_config(self, request: pb.ModelConfigRequest) -> pb.ModelConfigResponse:
        """A model's configuration."""
        name, version = model_name("name", request.name), version_number(request.version)
        described = model_config(self._data.metadata(name, version))
        config = ParseDict(described, model_config_pb2.ModelConfig())
        return pb.ModelConfigResponse(config=config)

    async def model_statistics(
        self, request: pb.ModelStatisticsRequest
    ) -> pb.ModelStatisticsResponse:
        """Running totals; of all models when no name is given."""
        if request.version and not request.name:
            raise InvalidArgument("version is given without name, expected both or neither")
        totals = await self._control.statistics(request.name, version_number(request.version))
        return ParseDict(model_statistics(totals), pb.ModelStatisticsResponse())

    async def repository_index(
        self, request: pb.RepositoryIndexRequest
    ) -> pb.RepositoryIndexResponse:
        """Every known version and its state."""
        _refuse_repository_name(request.repository_name)
        return pb.RepositoryIndexResponse(
            models=[
                pb.RepositoryIndexResponse.ModelIndex(
                    name=entry.name,
                    version=entry.version,
                    state=protocol_state(entry.state),
                    # A framework's words may hold what UTF-8 cannot.
                    reason=entry.reason.encode("utf-8", "replace").decode(),
                )
                for entry in await self._control.index(request.ready)
            ]
        )

    async def load(self, request: pb.RepositoryModelLoadRequest) -> pb.RepositoryModelLoadResponse:
        """Load or reload a model; ends when it is ready."""
        _refuse_repository_name(request.repository_name)
        name = model_name("model_name", request.model_name)
        await self._control.load(name, _parameters(request.parameters))
        return pb.RepositoryModelLoadResponse()

    async def unload(
        self, request: pb.RepositoryModelUnloadRequest
    ) -> pb.RepositoryModelUnloadResponse:
        """Unload a model."""
        _refuse_repository_name(request.repository_name)
        name = model_name("model_name", request.model_name)
        dependents = _parameters(request.parameters).get("unload_dependents", False)
        if not isinstance(dependents, bool):
            raise InvalidArgument("parameter 'unload_dependents' is no bool, expected bool_param")
        await self._control.unload(name, dependents)
        return pb.RepositoryModelUnloadResponse()


def _described(spec: TensorSpec) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(
        name=spec.name, datatype=spec.datatype.value, shape=spec.shape
    )


def _refuse_repository_name(name: str) -> None:
    if name:
        raise Unsupported("'repository_name' specification is not supported")


def _parameters(
    given: Mapping[str, pb.ModelRepositoryParameter],
) -> dict[str, str | bool | int | bytes]:
    return {name: getattr(given[name], choice_of(name, given[name])) for name in given}
