"""The states of a model's versions in TensorFlow Serving's words (apis/get_model_status.proto)."""

from __future__ import annotations

from collections.abc import Mapping

from protos import tf_error_pb2 as error
from protos import tfs_api_pb2 as pb
from server.errors import NotFound
from server.frontends.tf_serving.choice import ModelChoice, find
from server.planes import ControlPlane, DataPlane

_State = pb.ModelVersionStatus

_WORDS: Mapping[str, int] = {
    "NEW": _State.START,
    "LOADING": _State.LOADING,
    "WARMING": _State.LOADING,
    "READY": _State.AVAILABLE,
    "DRAINING": _State.UNLOADING,
    "UNLOADING": _State.UNLOADING,
    "ENDED": _State.END,
    "FAILED": _State.END,
}


def serving_state(state: str) -> int:
    """The number for one of our lifecycle states; UNKNOWN for a word that is not ours."""
    return _WORDS.get(state, _State.UNKNOWN)


async def model_status(
    data: DataPlane, control: ControlPlane, choice: ModelChoice
) -> pb.GetModelStatusResponse:
    """All known versions of the model chosen, newest first, or the one chosen.

    Raises NotFound where there are none, InvalidArgument for an unknown label.
    """
    version = str(find(data, choice).version) if choice.label else choice.version
    model = choice.model[:256]
    response = pb.GetModelStatusResponse()
    for entry in reversed(await control.index(ready_only=False)):
        if entry.name == choice.model and entry.version and version in ("", entry.version):
            line = response.model_version_status.add(
                version=int(entry.version), state=serving_state(entry.state)
            )
            line.status.error_code = error.OK
            if entry.reason and entry.state != "READY":
                line.status.error_code = error.UNKNOWN
                # A framework's words may hold what UTF-8 cannot.
                line.status.error_message = entry.reason.encode("utf-8", "replace").decode()
    if response.model_version_status:
        return response
    if version:
        raise NotFound(f"Could not find version {version} of model {model}")
    raise NotFound(f"Could not find any versions of model {model}")
