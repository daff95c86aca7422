"""Every datatype, zero sizes, scalars and free dimensions, through ONNX Runtime and back."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import onnx
import pytest
from onnx import TensorProto, helper

from tests.e2e.clients import datatype_cases as cases
from tests.harness.server_process import CLIENT_PYTHON, ServerProcess, run_client, serving

PROGRAM = Path(__file__).with_name("clients") / "datatypes.py"
ELEMENTS = {
    "BYTES": TensorProto.STRING,
    "FP16": TensorProto.FLOAT16,
    "BF16": TensorProto.BFLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
}
EVERY = [
    f"{route}/{datatype}/{case}"
    for route in cases.ROUTES
    for datatype in cases.DATATYPES
    for case in cases.SHAPES
    if cases.carries(route, datatype)
]


def write_identity(folder: Path, datatype: str) -> None:
    """A model that gives back a matrix of any size and a scalar."""
    element = ELEMENTS.get(datatype) or TensorProto.DataType.Value(datatype)
    shapes = {"tensor": ["rows", "columns"], "scalar": []}
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in shapes],
        "identity",
        [helper.make_tensor_value_info(name, element, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info(f"{n}_out", element, shape) for n, shape in shapes.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    (folder / "1").mkdir(parents=True)
    onnx.save(made, folder / "1/model.onnx")
    (folder / "model.yaml").write_text(json.dumps({"max_batch_size": 0}))  # JSON is YAML


@pytest.fixture(scope="module")
def server(tmp_path_factory, frontends) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("identities")
    for datatype in cases.DATATYPES:
        write_identity(root / f"identity-{datatype}", datatype)
    with serving(root, arguments=frontends) as started:
        yield started


@pytest.fixture(scope="module")
def said(server: ServerProcess) -> dict[str, str]:
    if not CLIENT_PYTHON.exists():
        pytest.skip("the clients' environment is missing; make test sets it up")
    rest = server.url.removeprefix("http://")
    told: dict[str, str] = json.loads(run_client(PROGRAM, rest, server.grpc_address))
    return told


def infer(server: ServerProcess, datatype: str, content: object, **headers: str) -> httpx.Response:
    url = f"{server.url}/v2/models/identity-{datatype}/infer"
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return httpx.post(url, content=body, headers=headers)


def tensors(datatype: str, **more: object) -> list[dict[str, object]]:
    """Both inputs, one element each."""
    return [
        {"name": "tensor", "datatype": datatype, "shape": [1, 1], **more},
        {"name": "scalar", "datatype": datatype, "shape": [], **more},
    ]


@pytest.mark.parametrize("what", EVERY)
def test_what_goes_in_comes_back(said, what):
    if said[what] != "ok":
        pytest.fail(said[what], pytrace=False)


@pytest.mark.parametrize("datatype", cases.DATATYPES)
def test_metadata_tells_datatype_scalar_and_free_dimensions(server, datatype):
    told = httpx.get(f"{server.url}/v2/models/identity-{datatype}").json()
    shapes = {one["name"]: one["shape"] for one in told["inputs"] + told["outputs"]}
    assert shapes == {"tensor": [-1, -1], "scalar": [], "tensor_out": [-1, -1], "scalar_out": []}
    assert {one["datatype"] for one in told["inputs"] + told["outputs"]} == {datatype}


@pytest.mark.parametrize("datatype", cases.BINARY_ONLY)
def test_half_floats_are_not_taken_as_json(server, datatype):
    answer = infer(server, datatype, {"inputs": tensors(datatype, data=[1.0])})
    assert answer.status_code == 400
    assert f"receiving {datatype} data via JSON is not supported" in answer.json()["error"]


@pytest.mark.parametrize("datatype", cases.BINARY_ONLY)
def test_half_floats_are_not_given_as_json(server, datatype):
    head = json.dumps({"inputs": tensors(datatype, parameters={"binary_data_size": 2})}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    answer = infer(server, datatype, head + bytes(4), **length)
    assert answer.status_code == 400
    assert f"sending {datatype} data via JSON is not supported" in answer.json()["error"]


def test_bytes_that_are_no_text_are_the_requests_fault(server):
    element = b"\x01\x00\x00\x00\xff"
    size = {"binary_data_size": len(element)}
    head = json.dumps({"inputs": tensors("BYTES", parameters=size)}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    answer = infer(server, "BYTES", head + element + element, **length)
    assert answer.status_code == 400
    assert "has an element that is not UTF-8" in answer.json()["error"]


def test_a_json_scalar_may_be_a_bare_number_or_a_list_of_one(server):
    for data in (7, [7]):
        tensor, scalar = tensors("INT32")
        asked = {"inputs": [tensor | {"data": [[1]]}, scalar | {"data": data}]}
        answer = infer(server, "INT32", asked)
        assert answer.status_code == 200, answer.text
        told = {one["name"]: one for one in answer.json()["outputs"]}
        assert told["scalar_out"]["shape"] == []
        assert told["scalar_out"]["data"] == [7]
        assert told["tensor_out"]["data"] == [1]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_sends_the_same(server):
    """Nothing here hangs on a Python client."""
    asked = json.dumps({"inputs": tensors("UINT64", data=[2**64 - 1])})
    url = f"{server.url}/v2/models/identity-UINT64/infer"
    done = subprocess.run(["curl", "-s", url, "-d", asked], capture_output=True, check=True)
    assert json.loads(done.stdout)["outputs"][0]["data"] == [2**64 - 1]
