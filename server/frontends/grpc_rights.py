"""What each gRPC method needs. One that is not listed needs the most there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from server.access.rules import OPEN, Needs
from server.frontends.rest_rights import CONTROL, INFER

PROTOCOL = "grpc"

_OIP, _TFS = "/inference.GRPCInferenceService/", "/tensorflow.serving."

_NEEDS: Mapping[str, Needs] = {
    **{
        _OIP + method: INFER
        for method in (
            "ServerMetadata", "ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics",
            "ModelInfer", "ModelStreamInfer", "RepositoryIndex",
            # None of these is offered, so nothing is changed; clients unregister to be tidy.
            *(f"{kind}SharedMemory{what}" for kind in ("System", "Cuda")
              for what in ("Status", "Register", "Unregister")),
        )
    },
    **{
        f"{_TFS}PredictionService/{method}": INFER
        for method in ("Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata")
    },
    f"{_TFS}ModelService/GetModelStatus": INFER,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": INFER,
    # What balancers and kubelets ask, who have no token.
    _OIP + "ServerLive": OPEN,
    _OIP + "ServerReady": OPEN,
    "/grpc.health.v1.Health/Check": OPEN,
    "/grpc.health.v1.Health/Watch": OPEN,
}  # fmt: skip


def authorization(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """What a call's metadata shows, "" for nothing; see gate.authorization."""
    return ", ".join([str(value) for key, value in metadata if key == "authorization"])


def method_needs(path: str) -> Needs:
    """For a call of `path`, such as `/inference.GRPCInferenceService/ModelInfer`."""
    return _NEEDS.get(path, CONTROL)
