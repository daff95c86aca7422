"""The server's own settings over gRPC: trace, log, and shared memory, of which there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from protos import inference_pb2 as pb
from server.frontends.open_inference import shared_memory
from server.planes import ControlPlane, DataPlane
from server.telemetry.settings_words import Changes, Setting

SystemStatus = pb.SystemSharedMemoryStatusRequest
CudaStatus = pb.CudaSharedMemoryStatusRequest


async def trace_setting(
    data: DataPlane, control: ControlPlane, request: pb.TraceSettingRequest
) -> pb.TraceSettingResponse:
    """The trace settings after what was asked; NotFound for an unknown model."""
    if request.model_name:
        data.model_ready(request.model_name, "")
    settings = await control.trace_settings(request.model_name, _asked_trace(request.settings))
    response = pb.TraceSettingResponse()
    for name, value in settings.items():
        values = value if isinstance(value, list) else [str(value)]
        response.settings[name].value.extend(values)
    return response


async def log_settings(
    control: ControlPlane, request: pb.LogSettingsRequest
) -> pb.LogSettingsResponse:
    """The log settings after what was asked."""
    settings = await control.log_settings(_asked_log(request.settings))
    response = pb.LogSettingsResponse()
    for name, value in settings.items():
        setting = response.settings[name]
        if isinstance(value, bool):
            setting.bool_param = value
        elif isinstance(value, int):
            setting.uint32_param = value
        else:
            setting.string_param = str(value)
    return response


def system_regions(request: SystemStatus) -> pb.SystemSharedMemoryStatusResponse:
    """No regions, since none can be registered."""
    shared_memory.refuse_region("system", request.name)
    return pb.SystemSharedMemoryStatusResponse()


def cuda_regions(request: CudaStatus) -> pb.CudaSharedMemoryStatusResponse:
    """No regions, since none can be registered."""
    shared_memory.refuse_region("cuda", request.name)
    return pb.CudaSharedMemoryStatusResponse()


def refuse_registration(
    request: pb.SystemSharedMemoryRegisterRequest | pb.CudaSharedMemoryRegisterRequest,
) -> NoReturn:
    """Always Unsupported."""
    shared_memory.refuse_registration()


def forget_system_region(
    request: pb.SystemSharedMemoryUnregisterRequest,
) -> pb.SystemSharedMemoryUnregisterResponse:
    """Nothing to do: clients unregister before they register, to start clean."""
    return pb.SystemSharedMemoryUnregisterResponse()


def forget_cuda_region(
    request: pb.CudaSharedMemoryUnregisterRequest,
) -> pb.CudaSharedMemoryUnregisterResponse:
    """Nothing to do: clients unregister before they register, to start clean."""
    return pb.CudaSharedMemoryUnregisterResponse()


def _asked_trace(settings: Mapping[str, pb.TraceSettingRequest.SettingValue]) -> Changes:
    """A single value as a text, as REST has it; no value at all is null."""
    asked: dict[str, Setting | None] = {}
    for name, setting in settings.items():
        values = list(setting.value)
        asked[name] = (values[0] if len(values) == 1 else values) if values else None
    return asked


def _asked_log(settings: Mapping[str, pb.LogSettingsRequest.SettingValue]) -> Changes:
    asked: dict[str, Setting | None] = {}
    for name, setting in settings.items():
        choice = setting.WhichOneof("parameter_choice")
        asked[name] = getattr(setting, choice) if choice else None
    return asked
