"""The server's own settings over gRPC: trace, log, shared memory; no call changes any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from protos import inference_pb2 as pb
from server.frontends.open_inference import shared_memory
from server.frontends.open_inference.fixed_settings import (
    LOG_SETTINGS,
    TRACE_SETTINGS,
    refuse_changes,
)
from server.planes import DataPlane

SystemStatus = pb.SystemSharedMemoryStatusRequest
CudaStatus = pb.CudaSharedMemoryStatusRequest


def trace_setting(data: DataPlane, request: pb.TraceSettingRequest) -> pb.TraceSettingResponse:
    """The trace settings; NotFound when they are asked of an unknown model."""
    if request.model_name:
        data.model_ready(request.model_name, "")
    refuse_changes("trace", TRACE_SETTINGS, _asked_trace(request.settings))
    response = pb.TraceSettingResponse()
    for name, value in TRACE_SETTINGS.items():
        values = value if isinstance(value, list) else [str(value)]
        response.settings[name].value.extend(values)
    return response


def log_settings(request: pb.LogSettingsRequest) -> pb.LogSettingsResponse:
    """The log settings."""
    refuse_changes("log", LOG_SETTINGS, _asked_log(request.settings))
    response = pb.LogSettingsResponse()
    for name, value in LOG_SETTINGS.items():
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


def _asked_trace(settings: Mapping[str, pb.TraceSettingRequest.SettingValue]) -> dict[str, object]:
    """Each setting as the table has it: a list only where the setting is one."""
    asked: dict[str, object] = {}
    for name, setting in settings.items():
        values = list(setting.value)
        single = len(values) == 1 and not isinstance(TRACE_SETTINGS.get(name), list)
        asked[name] = (values[0] if single else values) if values else None
    return asked


def _asked_log(settings: Mapping[str, pb.LogSettingsRequest.SettingValue]) -> dict[str, object]:
    asked: dict[str, object] = {}
    for name, setting in settings.items():
        choice = setting.WhichOneof("parameter_choice")
        asked[name] = getattr(setting, choice) if choice else None
    return asked
