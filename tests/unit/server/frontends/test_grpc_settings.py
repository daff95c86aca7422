"""Trace and log settings over gRPC."""

import pytest

from protos import inference_pb2 as pb
from server.errors import (
    InvalidArgument,
    NotFound,
    Unsupported,
)
from tests.unit.server.frontends.grpc_double import Planes
from tests.unit.server.frontends.test_grpc_servicer import answer_to, error_of
from tests.unit.server.switched import switches


async def test_trace_settings_are_told():
    response = await answer_to(Planes(), "TraceSetting", pb.TraceSettingRequest(model_name="adder"))
    assert list(response.settings["trace_level"].value) == ["OFF"]
    assert list(response.settings["trace_rate"].value) == ["1"]


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("trace_file", ["x"], Unsupported),
        ("trace_rate", ["1000", "1000"], InvalidArgument),
        ("trace_level", ["TIMESTAMPS"], Unsupported),
        ("bogus", ["5"], InvalidArgument),
    ],
)
async def test_trace_settings_that_cannot_be_changed_are_named(name, values, kind):
    request = pb.TraceSettingRequest()
    request.settings[name].value.extend(values)
    error = await error_of(Planes(), "TraceSetting", request)
    assert isinstance(error, kind)
    assert f"'{name}'" in error.message


async def test_trace_settings_are_changed_and_no_value_gives_the_default():
    planes = Planes(switches=switches(tracing=True))
    request = pb.TraceSettingRequest(model_name="adder")
    request.settings["trace_level"].value.append("OFF")
    request.settings["trace_rate"].value.append("1000")
    changed = (await answer_to(planes, "TraceSetting", request)).settings
    assert [list(changed[name].value) for name in ("trace_level", "trace_rate")] == [
        ["OFF"], ["1000"]
    ]  # fmt: skip
    for setting in request.settings.values():
        setting.Clear()
    reset = await answer_to(planes, "TraceSetting", request)
    assert reset == await answer_to(planes, "TraceSetting", b"")


async def test_trace_settings_of_an_unknown_model_are_not_found():
    request = pb.TraceSettingRequest(model_name="nope")
    assert isinstance(await error_of(Planes(), "TraceSetting", request), NotFound)


async def test_log_settings_are_told_in_their_own_types():
    current = (await answer_to(Planes(), "LogSettings", b"")).settings
    assert current["log_info"].bool_param is True
    assert current["log_verbose_level"].WhichOneof("parameter_choice") == "uint32_param"
    assert current["log_format"].string_param == "default"


async def test_log_settings_are_changed_in_their_own_types():
    planes = Planes()
    request = pb.LogSettingsRequest()
    request.settings["log_info"].bool_param = False
    request.settings["log_verbose_level"].uint32_param = 2
    request.settings["log_format"].string_param = "ISO8601"
    changed = (await answer_to(planes, "LogSettings", request)).settings
    assert changed["log_info"].bool_param is False
    assert changed["log_verbose_level"].uint32_param == 2
    assert changed["log_format"].string_param == "ISO8601"
    assert await answer_to(planes, "LogSettings", b"") == pb.LogSettingsResponse(settings=changed)
    request.settings["log_info"].string_param = "no"
    assert isinstance(await error_of(planes, "LogSettings", request), InvalidArgument)
