import asyncio
import logging
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protos import inference_pb2 as pb
from runtimes.contract.codes import Code
from runtimes.contract.tensor import Datatype, Tensor, unpack_bytes
from server.errors import (
    InvalidArgument,
    NotFound,
    Overloaded,
    ServingError,
    Unavailable,
    Unsupported,
)
from server.frontends import off_loop
from server.frontends.calls import CallContext
from server.frontends.limits import FrontendLimits
from server.frontends.open_inference import servicer as under_test
from server.frontends.open_inference.servicer import OpenInferenceServicer
from server.planes import IndexEntry
from server.statistics import ModelStatistics
from tests.unit.server.frontends.grpc_double import PREFIX, Planes, infer_message, y

METHODS = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name
UNARY = sorted(set(METHODS) - {"ModelStreamInfer"})


def _servicer(planes):
    return OpenInferenceServicer(planes, planes, FrontendLimits(server_version="1.2"))


async def answer_to(planes, method, request, context=None):
    """Call `method` with a message; answers with the response message."""
    kind = pb.__dict__[f"{method}Response"]
    handler = _servicer(planes).unary[PREFIX + method]
    payload = request if isinstance(request, bytes) else request.SerializeToString()
    return kind.FromString(await handler(payload, context or CallContext()))


async def error_of(planes, method, request):
    with pytest.raises(ServingError) as caught:
        await answer_to(planes, method, request)
    return caught.value


async def _messages(*messages):
    for message in messages:
        yield message if isinstance(message, bytes) else message.SerializeToString()


async def _stream(planes, messages, **metadata):
    handler = _servicer(planes).streams[PREFIX + "ModelStreamInfer"]
    replies = handler(messages, CallContext(metadata))
    return [pb.ModelStreamInferResponse.FromString(reply) async for reply in replies]


def test_every_method_of_the_service_has_a_handler():
    servicer = _servicer(Planes())
    assert {*servicer.unary, *servicer.streams} == {PREFIX + name for name in METHODS}


# ---- inference -----------------------------------------------------------------------------------


async def test_an_inference_is_answered_raw_with_its_id():
    planes = Planes(outputs=(y(1, 2, 3),))
    response = await answer_to(planes, "ModelInfer", infer_message(id_="r1"))
    assert (response.model_name, response.model_version, response.id) == ("adder", "3", "r1")
    assert list(response.raw_output_contents) == [struct.pack("<3f", 1, 2, 3)]
    assert list(response.outputs[0].shape) == [1, 3]
    assert planes.protocols == ["grpc"]


async def test_the_calls_deadline_reaches_the_data_plane():
    planes = Planes()
    await answer_to(planes, "ModelInfer", infer_message(), CallContext(deadline_ns=77))
    assert planes.asked[0].deadline_ns == 77


async def test_a_large_request_is_read_the_same(monkeypatch):
    monkeypatch.setattr(off_loop, "OFF_LOOP_BYTES", 1)
    planes = Planes()
    await answer_to(planes, "ModelInfer", infer_message(id_="big"))
    assert planes.asked[0].id == "big"
    planes.asked.clear()
    error = await error_of(planes, "ModelInfer", pb.ModelInferRequest(id="no model"))
    assert isinstance(error, InvalidArgument)


async def test_classification_answers_with_labelled_classes():
    planes = Planes(outputs=(y(0.25, 0.5, 0.125),))
    message = infer_message()
    message.outputs.add(name="y").parameters["classification"].int64_param = 2
    response = await answer_to(planes, "ModelInfer", message)
    assert (response.outputs[0].datatype, list(response.outputs[0].shape)) == ("BYTES", [1, 2])
    assert unpack_bytes(response.raw_output_contents[0]) == [b"0.500000:1:dog", b"0.250000:0:cat"]


async def test_classification_of_strings_is_refused():
    planes = Planes(outputs=(Tensor("y", Datatype.BYTES, (0,), b""),))
    message = infer_message()
    message.outputs.add(name="y").parameters["classification"].int64_param = 2
    assert (await error_of(planes, "ModelInfer", message)).code is Code.INVALID_ARGUMENT


async def test_an_error_of_the_data_plane_is_passed_on():
    error = Overloaded("too much in flight", retry_after=1.0)
    assert await error_of(Planes(error=error), "ModelInfer", infer_message()) is error


# ---- streams -------------------------------------------------------------------------------------


async def test_a_stream_answers_each_message_in_order():
    planes = Planes(outputs=(y(1),))
    ids = [str(number) for number in range(30)]
    replies = await _stream(planes, _messages(*(infer_message(id_=id_) for id_ in ids)))
    assert [reply.infer_response.id for reply in replies] == ids
    assert all(r.infer_response.parameters["triton_final_response"].bool_param for r in replies)


async def test_errors_on_a_stream_are_answers_and_the_stream_goes_on():
    planes = Planes()
    broken = infer_message(model="", id_="bad")
    messages = _messages(b"\xff", broken, infer_message(id_="good"))
    first, second, third = await _stream(planes, messages)
    assert first.error_message == "request is not a valid ModelInferRequest"
    assert "model_name is empty" in second.error_message
    assert second.infer_response.id == "bad"
    assert (third.error_message, third.infer_response.id) == ("", "good")


async def test_a_surprise_on_a_stream_is_logged_and_not_told(caplog):
    planes = Planes(error=RuntimeError("/secret/path"))
    with caplog.at_level(logging.ERROR):
        (reply,) = await _stream(planes, _messages(infer_message()))
    assert reply.error_message == "internal error; see the server's log"
    assert "/secret/path" in caplog.text


async def test_a_stream_ends_with_a_status_when_the_client_asks_so():
    planes = Planes(error=Unavailable("not now"))
    with pytest.raises(Unavailable, match="not now"):
        await _stream(planes, _messages(infer_message()), triton_grpc_error="true")


async def test_requests_of_a_stream_run_at_once_but_not_without_bound():
    planes = Planes(hang=True)
    many = under_test.STREAM_CONCURRENCY + 5
    task = asyncio.create_task(_stream(planes, _messages(*[infer_message()] * many)))
    while len(planes.asked) < under_test.STREAM_CONCURRENCY:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(planes.asked) == under_test.STREAM_CONCURRENCY
    planes.release.set()
    assert len(await task) == many


async def test_cancelling_a_stream_cancels_its_requests():
    planes = Planes(hang=True)
    task = asyncio.create_task(_stream(planes, _messages(infer_message())))
    await planes.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert planes.cancelled.is_set()


# ---- health and metadata -------------------------------------------------------------------------


@pytest.mark.parametrize("ready", [True, False])
async def test_readiness_is_the_data_planes(ready):
    planes = Planes(is_ready=ready)
    assert (await answer_to(planes, "ServerLive", b"")).live
    assert (await answer_to(planes, "ServerReady", b"")).ready is ready
    model = pb.ModelReadyRequest(name="adder", version="3")
    assert (await answer_to(planes, "ModelReady", model)).ready is ready


async def test_an_unknown_model_is_not_ready():
    assert not (await answer_to(Planes(), "ModelReady", pb.ModelReadyRequest(name="nope"))).ready


async def test_server_metadata_names_the_server_and_its_extensions():
    response = await answer_to(Planes(), "ServerMetadata", b"")
    assert (response.name, response.version) == ("underway", "1.2")
    assert "classification" in response.extensions


async def test_model_metadata_tells_versions_and_shapes():
    response = await answer_to(Planes(), "ModelMetadata", pb.ModelMetadataRequest(name="adder"))
    assert list(response.versions) == ["2", "3"]
    assert response.platform == "onnxruntime_onnx"
    assert response.inputs[0] == pb.ModelMetadataResponse.TensorMetadata(
        name="x", datatype="FP32", shape=[-1, 2]
    )
    assert response.outputs[0].name == "y"


async def test_model_config_leaves_out_the_batch_dimension():
    response = await answer_to(Planes(), "ModelConfig", pb.ModelConfigRequest(name="adder"))
    assert (response.config.name, response.config.max_batch_size) == ("adder", 8)
    assert list(response.config.input[0].dims) == [2]


@pytest.mark.parametrize("method", ["ModelMetadata", "ModelConfig"])
async def test_an_unknown_model_is_not_found(method):
    request = pb.__dict__[f"{method}Request"](name="nope")
    error = await error_of(Planes(), method, request)
    assert isinstance(error, NotFound)
    assert error.message == "Request for unknown model: 'nope' is not found"


@pytest.mark.parametrize(
    "method", ["ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"]
)
async def test_a_version_that_is_neither_a_number_nor_a_label_is_refused(method):
    request = pb.__dict__[f"{method}Request"](name="adder", version="1.0")
    error = await error_of(Planes(), method, request)
    assert isinstance(error, InvalidArgument)
    assert "specified version string '1.0'; expected a whole number or a label" in error.message


async def test_a_label_is_asked_for_as_it_is():
    planes = Planes()
    await answer_to(
        planes, "ModelStatistics", pb.ModelStatisticsRequest(name="adder", version="v1")
    )
    message = infer_message()
    message.model_version = "stable"
    await answer_to(planes, "ModelInfer", message)
    assert planes.totals_of == [("adder", "v1")]
    assert [request.version for request in planes.asked] == ["stable"]


@pytest.mark.parametrize("method", ["ModelMetadata", "ModelConfig"])
async def test_an_unknown_label_is_not_found(method):
    request = pb.__dict__[f"{method}Request"](name="adder", version="canary")
    error = await error_of(Planes(), method, request)
    assert isinstance(error, NotFound)
    assert "version label canary is not found" in error.message


@pytest.mark.parametrize("method", ["ModelReady", "ModelMetadata", "ModelConfig"])
async def test_an_empty_name_is_refused(method):
    assert "name is empty" in (await error_of(Planes(), method, b"")).message


# ---- statistics ----------------------------------------------------------------------------------


async def test_statistics_carry_every_total():
    totals = ModelStatistics("adder", 3, last_inference_ms=5, inference_count=4, execution_count=2)
    totals.success.add(10)
    planes = Planes(totals=(totals,))
    request = pb.ModelStatisticsRequest(name="adder", version="03")
    (stats,) = (await answer_to(planes, "ModelStatistics", request)).model_stats
    assert (stats.name, stats.version, stats.last_inference) == ("adder", "3", 5)
    assert (stats.inference_count, stats.execution_count) == (4, 2)
    assert (stats.inference_stats.success.count, stats.inference_stats.success.ns) == (1, 10)
    assert planes.totals_of == [("adder", "3")]


async def test_statistics_of_a_version_need_a_model():
    error = await error_of(Planes(), "ModelStatistics", pb.ModelStatisticsRequest(version="1"))
    assert isinstance(error, InvalidArgument)


# ---- repository ----------------------------------------------------------------------------------


async def test_the_index_uses_the_protocols_words():
    entries = (
        IndexEntry("adder", "3", "READY"),
        IndexEntry("half", "1", "FAILED", "bad op \udcff"),
    )
    response = await answer_to(Planes(entries=entries), "RepositoryIndex", b"")
    told = [(m.name, m.version, m.state, m.reason) for m in response.models]
    assert told == [("adder", "3", "READY", ""), ("half", "1", "UNAVAILABLE", "bad op ?")]
    only = await answer_to(
        Planes(entries=entries), "RepositoryIndex", pb.RepositoryIndexRequest(ready=True)
    )
    assert [m.name for m in only.models] == ["adder"]


async def test_load_and_unload_reach_the_control_plane():
    planes = Planes()
    load = pb.RepositoryModelLoadRequest(model_name="adder")
    load.parameters["config"].string_param = "{}"
    await answer_to(planes, "RepositoryModelLoad", load)
    unload = pb.RepositoryModelUnloadRequest(model_name="adder")
    unload.parameters["unload_dependents"].bool_param = True
    await answer_to(planes, "RepositoryModelUnload", unload)
    assert planes.loaded == [("adder", {"config": "{}"})]
    assert planes.unloaded == [("adder", True)]


@pytest.mark.parametrize("method", ["RepositoryModelLoad", "RepositoryModelUnload"])
async def test_control_errors_and_bad_names_are_told(method):
    kind = pb.__dict__[f"{method}Request"]
    off = Planes(error=Unsupported("model control is off"))
    assert (await error_of(off, method, kind(model_name="m"))).message == "model control is off"
    assert "model_name is empty" in (await error_of(Planes(), method, kind())).message
    named = await error_of(Planes(), method, kind(model_name="m", repository_name="r"))
    assert isinstance(named, Unsupported)
    valueless = kind(model_name="m")
    valueless.parameters["unload_dependents"].SetInParent()
    assert "has no value" in (await error_of(Planes(), method, valueless)).message


async def test_unload_dependents_must_be_a_bool():
    request = pb.RepositoryModelUnloadRequest(model_name="m")
    request.parameters["unload_dependents"].int64_param = 1
    assert (
        await error_of(Planes(), "RepositoryModelUnload", request)
    ).code is Code.INVALID_ARGUMENT


# ---- settings and shared memory ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["System", "Cuda"])
async def test_shared_memory_is_politely_refused(kind):
    planes = Planes()
    assert not (await answer_to(planes, f"{kind}SharedMemoryStatus", b"")).regions
    await answer_to(planes, f"{kind}SharedMemoryUnregister", b"")
    registered = await error_of(planes, f"{kind}SharedMemoryRegister", b"")
    assert isinstance(registered, Unsupported)
    assert "not offered" in registered.message
    named = pb.__dict__[f"{kind}SharedMemoryStatusRequest"](name="r")
    assert isinstance(await error_of(planes, f"{kind}SharedMemoryStatus", named), NotFound)


# ---- hostile bytes -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", UNARY)
async def test_bytes_that_are_no_message_are_called_so(method):
    error = await error_of(Planes(), method, b"\xff\xff")
    assert isinstance(error, InvalidArgument)
    assert error.message == f"request is not a valid {method}Request"


async def _code(method, payload):
    """How a call ends; any exception but a ServingError fails the test."""
    try:
        await answer_to(Planes(outputs=(y(1),)), method, payload)
    except ServingError as error:
        return error.code
    return None


@settings(max_examples=60, deadline=None)
@given(payload=st.binary(max_size=200), data=st.data())
def test_random_bytes_never_cause_an_internal_error(payload, data):
    whole = infer_message().SerializeToString()
    cut = data.draw(st.integers(0, len(whole)))
    for case in (payload, whole[:cut] + payload + whole[cut:]):
        for method in UNARY:
            assert asyncio.run(_code(method, case)) is not Code.INTERNAL
