"""What load balancers and people look at first: gRPC health, reflection, the OpenAPI page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import grpc
import httpx
import pytest

from tests.harness.server_process import ServerProcess

CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
SERVING = b"\x08\x01"  # field 1, a varint
LIST_SERVICES = b"\x3a\x00"  # field 7, an empty text


def service(name: str) -> bytes:
    """A HealthCheckRequest, without anybody's generated code."""
    return b"\x0a" + bytes([len(name)]) + name.encode() if name else b""


@pytest.fixture
def channel(demo_server: ServerProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(demo_server.grpc_address) as opened:
        yield opened


@pytest.fixture
def openapi(demo_server: ServerProcess) -> dict:
    return httpx.get(f"{demo_server.url}/openapi.json").raise_for_status().json()


@pytest.mark.parametrize("name", ["", "inference.GRPCInferenceService"])
def test_grpc_health_says_serving(channel, name):
    assert channel.unary_unary(CHECK)(service(name), timeout=30) == SERVING


def test_grpc_health_does_not_know_other_services(channel):
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(CHECK)(service("nobody.Service"), timeout=30)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_grpc_health_can_be_watched(channel):
    watch = channel.unary_stream(WATCH)(service(""), timeout=30)
    assert next(watch) == SERVING
    watch.cancel()


def test_reflection_lists_the_services(channel):
    (answer,) = channel.stream_stream(REFLECTION)(iter([LIST_SERVICES]), timeout=30)
    assert b"inference.GRPCInferenceService" in answer
    assert b"grpc.health.v1.Health" in answer
    assert b"tensorflow.serving.PredictionService" in answer
    assert b"tensorflow.serving.ModelService" in answer


@pytest.mark.parametrize(
    ("symbol", "word"),
    [
        (b"inference.GRPCInferenceService", b"ModelInferRequest"),
        (b"tensorflow.serving.PredictionService", b"PredictRequest"),
    ],
)
def test_reflection_describes_the_services_of_both_protocols(channel, symbol, word):
    question = b"\x22" + bytes([len(symbol)]) + symbol  # field 4, file_containing_symbol
    (answer,) = channel.stream_stream(REFLECTION)(iter([question]), timeout=30)
    assert word in answer


def test_an_unknown_grpc_method_is_unimplemented(channel):
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/inference.GRPCInferenceService/Nothing")(b"", timeout=30)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_docs_page_shows_the_openapi_document(demo_server):
    page = httpx.get(f"{demo_server.url}/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in page.text


@pytest.mark.parametrize(
    "path",
    ["/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer"],
)
def test_openapi_describes_inference(openapi, path):
    infer = openapi["paths"][path]["post"]
    names = {one["name"] for one in infer["parameters"] if one["in"] == "path"}
    assert names == {part for part in ("model", "version") if f"{{{part}}}" in path}
    body = infer["requestBody"]["content"]
    assert body["application/json"]["schema"] == {"$ref": "#/components/schemas/InferRequest"}
    assert "application/octet-stream" in body
    answer = infer["responses"]["200"]["content"]
    assert answer["application/json"]["schema"] == {"$ref": "#/components/schemas/InferResponse"}
    assert {"400", "404", "413", "503"} <= set(infer["responses"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/v2"),
        ("get", "/v2/health/live"),
        ("get", "/v2/health/ready"),
        ("get", "/v2/models/stats"),
        ("get", "/v2/models/{model}"),
        ("get", "/v2/models/{model}/ready"),
        ("get", "/v2/models/{model}/config"),
        ("get", "/v2/models/{model}/versions/{version}/stats"),
        ("post", "/v2/repository/index"),
        ("post", "/v2/repository/models/{model}/load"),
        ("get", "/v2/logging"),
        ("post", "/v2/trace/setting"),
    ],
)
def test_openapi_describes_the_other_routes(openapi, method, path):
    operation = openapi["paths"][path][method]
    assert operation["summary"]
    assert operation["description"]
    assert "200" in operation["responses"]


def test_every_reference_of_the_openapi_document_leads_somewhere(openapi):
    def references(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(found := node.get("$ref"), str):
                yield found
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    found = set(references(openapi))
    assert found
    schemas = openapi["components"]["schemas"]
    assert all(one.removeprefix("#/components/schemas/") in schemas for one in found)


def test_every_get_the_openapi_document_promises_is_answered(demo_server, openapi):
    fill = {"model": "digits-onnx", "version": "1"}
    for path, operations in openapi["paths"].items():
        if "get" in operations and not re.search("{region}|{label}", path):
            answer = httpx.get(demo_server.url + path.format(**fill))
            assert answer.status_code == 200, (path, answer.text)
