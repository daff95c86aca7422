"""Inference over REST that works: every datatype, both forms, and what a client may choose."""

from __future__ import annotations

import struct
import threading
import time

import numpy as np
import orjson
import pytest

from runtimes.contract.tensor import Datatype, pack_bytes
from server.frontends import off_loop
from server.frontends.open_inference import rest_infer
from server.frontends.open_inference.request_plan import decode_planned
from tests.unit.server.frontends.rest_double import Planes, client_of

HEADER = "Inference-Header-Content-Length"
INFER = "/v2/models/{}/infer"

# datatype: JSON values, and the same as bytes
SAMPLES = {
    "BOOL": ([True, False], b"\1\0"),
    "UINT8": ([0, 255], b"\0\xff"),
    "UINT16": ([0, 65535], struct.pack("<2H", 0, 65535)),
    "UINT32": ([0, 2**32 - 1], struct.pack("<2I", 0, 2**32 - 1)),
    "UINT64": ([0, 2**64 - 1], struct.pack("<2Q", 0, 2**64 - 1)),
    "INT8": ([-128, 127], struct.pack("<2b", -128, 127)),
    "INT16": ([-(2**15), 2**15 - 1], struct.pack("<2h", -(2**15), 2**15 - 1)),
    "INT32": ([-(2**31), 2**31 - 1], struct.pack("<2i", -(2**31), 2**31 - 1)),
    "INT64": ([-(2**63), 2**63 - 1], struct.pack("<2q", -(2**63), 2**63 - 1)),
    "FP32": ([0.5, -2.0], struct.pack("<2f", 0.5, -2.0)),
    "FP64": ([0.1, 1e300], struct.pack("<2d", 0.1, 1e300)),
    "BYTES": (["grüß", ""], pack_bytes(["grüß".encode(), b""])),
}
BINARY_ONLY = {"FP16": struct.pack("<2e", 0.5, -2), "BF16": b"\x00\x3f\x00\xc0"}
AS_BYTES = {name: raw for name, (_, raw) in SAMPLES.items()} | BINARY_ONLY


def binary(document: dict, *tensors: bytes) -> tuple[bytes, dict[str, str]]:
    """Body and header of a request with a binary tail."""
    head = orjson.dumps(document)
    return b"".join([head, *tensors]), {HEADER: str(len(head))}


def split(answer) -> tuple[dict, bytes]:
    """The JSON and the tail of an answer."""
    length = int(answer.headers[HEADER])
    return orjson.loads(answer.content[:length]), answer.content[length:]


def one(datatype: str, shape: list[int], **rest) -> dict:
    return {"name": datatype, "datatype": datatype, "shape": shape} | rest


def test_the_samples_cover_every_datatype():
    assert set(AS_BYTES) == {datatype.value for datatype in Datatype}


@pytest.mark.parametrize("datatype", SAMPLES)
async def test_json_goes_in_and_out(datatype):
    values, raw = SAMPLES[datatype]
    planes = Planes()
    async with client_of(planes) as client:
        document = {"inputs": [one(datatype, [2], data=values)]}
        answer = await client.post(INFER.format("every"), json=document)
    assert bytes(planes.asked[0].inputs[0].data) == raw
    assert answer.headers["content-type"] == "application/json"
    assert HEADER not in answer.headers
    assert answer.json() == {
        "model_name": "every",
        "model_version": "3",
        "outputs": [one(datatype, [2], data=values)],
    }


@pytest.mark.parametrize("datatype", AS_BYTES)
async def test_binary_goes_in_and_out(datatype):
    raw = AS_BYTES[datatype]
    document = {
        "parameters": {"binary_data_output": True},
        "inputs": [one(datatype, [2], parameters={"binary_data_size": len(raw)})],
    }
    body, headers = binary(document, raw)
    async with client_of(Planes()) as client:
        answer = await client.post(INFER.format("every"), content=body, headers=headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    head, tail = split(answer)
    assert tail == raw
    assert head["outputs"] == [one(datatype, [2], parameters={"binary_data_size": len(raw)})]


@pytest.mark.parametrize("datatype", sorted(set(SAMPLES) - {"BYTES"}))
async def test_zero_elements_are_fine_in_both_forms(datatype):
    async with client_of(Planes()) as client:
        document = {"inputs": [one(datatype, [0], data=[])]}
        as_json = await client.post(INFER.format("every"), json=document)
        document = {"inputs": [one(datatype, [0], parameters={"binary_data_size": 0})]}
        body, headers = binary(document)
        as_binary = await client.post(INFER.format("every"), content=body, headers=headers)
    assert as_json.json()["outputs"] == [one(datatype, [0], data=[])]
    assert as_binary.json()["outputs"] == [one(datatype, [0], data=[])]


@pytest.mark.parametrize("data", [5, [5]])
async def test_a_scalar_may_be_bare_or_in_a_list(data):
    async with client_of(Planes()) as client:
        document = {"inputs": [{"name": "x", "datatype": "INT64", "shape": [], "data": data}]}
        answer = await client.post(INFER.format("scalar"), json=document)
    assert answer.json()["outputs"][0] | {"name": "x"} == {
        "name": "x",
        "datatype": "INT64",
        "shape": [],
        "data": [5],
    }


@pytest.mark.parametrize(
    "data", [[1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]], [[[1, 2, 3]], [[4, 5, 6]]]]
)
async def test_data_may_be_flat_or_nested(data):
    async with client_of(Planes()) as client:
        document = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [2, 3], "data": data}]}
        answer = await client.post(INFER.format("grid"), json=document)
    assert answer.json()["outputs"][0]["data"] == [1, 2, 3, 4, 5, 6]


async def test_integers_are_taken_for_floats():
    async with client_of(Planes()) as client:
        document = {"inputs": [one("FP32", [3], data=[1, 2.5, -3])]}
        answer = await client.post(INFER.format("every"), json=document)
    assert answer.json()["outputs"][0]["data"] == [1.0, 2.5, -3.0]


async def test_not_a_number_leaves_as_null_in_json():
    raw = np.array([np.nan, np.inf, 1], "<f4").tobytes()
    body, headers = binary({"inputs": [one("FP32", [3], parameters={"binary_data_size": 12})]}, raw)
    async with client_of(Planes()) as client:
        answer = await client.post(INFER.format("every"), content=body, headers=headers)
    assert answer.json()["outputs"][0]["data"] == [None, None, 1.0]


async def test_the_id_and_the_keys_come_back_in_order():
    planes = Planes()
    async with client_of(planes) as client:
        document = {
            "id": "a-1",
            "parameters": {"temperature": 0.5, "mode": "fast", "n": 3, "strict": True},
            "inputs": [one("INT8", [1], data=[1])],
        }
        answer = await client.post(INFER.format("every"), json=document)
    assert list(answer.json()) == ["model_name", "model_version", "id", "outputs"]
    assert answer.json()["id"] == planes.asked[0].id == "a-1"
    assert planes.asked[0].parameters == {
        "temperature": 0.5,
        "mode": "fast",
        "n": 3,
        "strict": True,
    }


async def test_priority_and_timeout_are_understood():
    planes = Planes()
    before = time.monotonic_ns()
    async with client_of(planes) as client:
        document = {
            "parameters": {"priority": 2, "timeout": 5_000_000},
            "inputs": [one("INT8", [1], data=[1])],
        }
        await client.post(INFER.format("every"), json=document)
    after = time.monotonic_ns()
    (asked,) = planes.asked
    assert (asked.priority, dict(asked.parameters)) == (2, {})
    assert before + 5_000_000_000 <= asked.deadline_ns <= after + 5_000_000_000


@pytest.mark.parametrize(
    ("header", "parameter", "seconds"),
    [("5", 0, 5), ("0.25", 9_000_000, 0.25), ("9", 250_000, 0.25)],
)
async def test_the_timeout_header_sets_a_deadline_and_the_sooner_one_counts(
    header, parameter, seconds
):
    planes = Planes()
    before = time.monotonic_ns()
    async with client_of(planes) as client:
        document = {
            "parameters": {"timeout": parameter},
            "inputs": [one("INT8", [1], data=[1])],
        }
        headers = {"Request-Timeout": header}
        answer = await client.post(INFER.format("every"), json=document, headers=headers)
    after = time.monotonic_ns()
    assert answer.status_code == 200
    length = round(seconds * 1e9)
    assert before + length <= planes.asked[0].deadline_ns <= after + length


async def test_a_raw_request_has_a_timeout_as_well():
    planes = Planes()
    async with client_of(planes) as client:
        headers = {HEADER: "0", "request-timeout": "3"}
        await client.post(INFER.format("scalar"), content=bytes(8), headers=headers)
    assert planes.asked[0].deadline_ns > time.monotonic_ns()


@pytest.mark.parametrize(
    "value", ["", "0", "0.0", "-1", "1e3", "soon", "5 s", "nan", "inf", "9" * 9]
)
async def test_a_timeout_header_that_is_no_time_is_refused(value):
    planes = Planes()
    async with client_of(planes) as client:
        document = {"inputs": [one("INT8", [1], data=[1])]}
        headers = {"Request-Timeout": value}
        answer = await client.post(INFER.format("every"), json=document, headers=headers)
    assert answer.status_code == 400
    assert "header 'Request-Timeout' must be a number of seconds above 0" in answer.json()["error"]
    assert planes.asked == []


@pytest.mark.parametrize("path", ["/v2/models/rows/versions/2/infer", "/v2/models/rows/infer"])
async def test_the_version_comes_from_the_path(path):
    planes = Planes()
    async with client_of(planes) as client:
        document = {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]
        }
        assert (await client.post(path, json=document)).status_code == 200
    assert planes.asked[0].version == ("2" if "versions" in path else "")


TWO = [
    {"name": "a", "datatype": "INT32", "shape": [1], "data": [1]},
    {"name": "b", "datatype": "INT32", "shape": [1], "data": [2]},
]


async def test_outputs_are_selected_and_ordered_by_the_request():
    async with client_of(Planes()) as client:
        document = {"inputs": TWO, "outputs": [{"name": "b"}, {"name": "a"}]}
        answer = await client.post(INFER.format("two"), json=document)
        document = {"inputs": TWO, "outputs": [{"name": "b"}]}
        single = await client.post(INFER.format("two"), json=document)
    assert [output["name"] for output in answer.json()["outputs"]] == ["b", "a"]
    assert [output["name"] for output in single.json()["outputs"]] == ["b"]


async def test_each_output_may_choose_its_form():
    outputs = [{"name": "a", "parameters": {"binary_data": False}}, {"name": "b"}]
    document = {"parameters": {"binary_data_output": True}, "inputs": TWO, "outputs": outputs}
    async with client_of(Planes()) as client:
        answer = await client.post(INFER.format("two"), json=document)
    head, tail = split(answer)
    assert head["outputs"][0]["data"] == [1]
    assert head["outputs"][1]["parameters"] == {"binary_data_size": 4}
    assert tail == struct.pack("<i", 2)


async def test_binary_and_json_inputs_may_be_mixed():
    inputs = [
        {"name": "a", "datatype": "INT32", "shape": [1], "data": [1]},
        {
            "name": "b",
            "datatype": "INT32",
            "shape": [2],
            "parameters": {"binary_data_size": 8},
        },
    ]
    body, headers = binary({"inputs": inputs}, struct.pack("<2i", 7, 8))
    async with client_of(Planes()) as client:
        answer = await client.post(INFER.format("two"), content=body, headers=headers)
    assert [output["data"] for output in answer.json()["outputs"]] == [[1], [7, 8]]


@pytest.mark.parametrize(("as_binary", "beside"), [(False, True), (True, False)])
async def test_large_json_is_read_beside_the_loop_and_binary_tensors_are_not(
    monkeypatch, as_binary, beside
):
    threads = []

    def decode(*given):
        threads.append(threading.current_thread())
        return decode_planned(*given)

    monkeypatch.setattr(rest_infer, "decode_planned", decode)
    monkeypatch.setattr(off_loop, "OFF_LOOP_BYTES", 2000)
    raw = AS_BYTES["FP32"] * 500
    shape = [len(raw) // 4]
    async with client_of(Planes()) as client:
        if as_binary:
            document = {
                "inputs": [one("FP32", shape, parameters={"binary_data_size": len(raw)})],
                "outputs": [{"name": "FP32", "parameters": {"binary_data": True}}],
            }
            body, headers = binary(document, raw)
            answer = await client.post(INFER.format("every"), content=body, headers=headers)
        else:
            data = np.frombuffer(raw, np.float32).tolist()
            document = {"inputs": [one("FP32", shape, data=data)]}
            answer = await client.post(INFER.format("every"), json=document)

    assert answer.status_code == 200
    assert [thread is not threading.current_thread() for thread in threads] == [beside]


async def test_a_binary_input_is_a_view_of_the_received_body():
    planes = Planes()
    raw = b"\0" * 12
    body, headers = binary({"inputs": [one("FP32", [3], parameters={"binary_data_size": 12})]}, raw)
    async with client_of(planes) as client:
        await client.post(INFER.format("every"), content=body, headers=headers)
    assert isinstance(planes.asked[0].inputs[0].data, memoryview)


@pytest.mark.parametrize("binary_data", [True, False])
async def test_classification_answers_with_labels(binary_data):
    form = {"classification": 2, "binary_data": binary_data}
    document = {
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [2, 3], "data": [1, 3, 2, 0.5, 0, 9]}
        ],
        "outputs": [{"name": "x", "parameters": form}],
    }
    async with client_of(Planes()) as client:
        answer = await client.post(INFER.format("rows"), json=document)
    best = ["3.000000:1:dog", "2.000000:2:cow", "9.000000:2:cow", "0.500000:0:cat"]
    if binary_data:
        head, tail = split(answer)
        assert tail == pack_bytes(text.encode() for text in best)
    else:
        head = answer.json()
        assert head["outputs"][0]["data"] == best
    assert (head["outputs"][0]["datatype"], head["outputs"][0]["shape"]) == ("BYTES", [2, 2])


@pytest.mark.parametrize(
    ("model", "body", "shape"),
    [
        ("rows", struct.pack("<3f", 1, 2, 3), (1, 3)),
        ("deep", struct.pack("<6f", *range(6)), (1, 3, 2)),
        ("grid", struct.pack("<6i", *range(6)), (2, 3)),
        ("scalar", struct.pack("<q", 9), ()),
    ],
)
async def test_a_raw_request_is_the_only_input(model, body, shape):
    planes = Planes()
    async with client_of(planes) as client:
        answer = await client.post(INFER.format(model), content=body, headers={HEADER: "0"})
    assert answer.status_code == 200, answer.text
    assert planes.asked[0].inputs[0].shape == shape
    _, tail = split(answer)
    assert tail == body


async def test_a_raw_request_of_strings_is_one_string():
    planes = Planes()
    async with client_of(planes) as client:
        answer = await client.post(INFER.format("text"), content=b"hi", headers={HEADER: "0"})
    assert (planes.asked[0].inputs[0].shape, planes.asked[0].inputs[0].data) == (
        (1, 1),
        pack_bytes([b"hi"]),
    )
    assert split(answer)[1] == pack_bytes([b"hi"])
