"""The app as a whole: routes, statuses, the one shape of error, the OpenAPI page."""

from __future__ import annotations

import jsonschema
import pytest

from server.errors import (
    Cancelled,
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotFound,
    Overloaded,
    TooLarge,
    Unavailable,
    Unsupported,
)
from server.frontends.open_inference.extensions import EXTENSIONS
from tests.unit.server.frontends.rest_double import Planes, client_of

GOOD = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/models/rows/ready"])
async def test_health_answers_200_with_nothing(path):
    async with client_of(Planes()) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_server_that_is_not_ready_answers_503_with_nothing():
    async with client_of(Planes(is_ready=False)) as client:
        answer = await client.get("/v2/health/ready")
        live = await client.get("/v2/health/live")
    assert (answer.status_code, answer.content) == (503, b"")
    assert live.status_code == 200


async def test_a_model_that_is_not_ready_answers_503():
    async with client_of(Planes()) as client:
        answer = await client.get("/v2/models/asleep/ready")
        metadata = await client.get("/v2/models/asleep")
    assert (answer.status_code, answer.json()) == (503, {"error": "Model version not ready"})
    assert metadata.status_code == 503


async def test_server_metadata_lists_what_is_implemented():
    async with client_of(Planes()) as client:
        answer = await client.get("/v2")
    assert answer.json() == {"name": "underway", "version": "9.9", "extensions": list(EXTENSIONS)}


@pytest.mark.parametrize("path", ["/v2/models/rows", "/v2/models/rows/versions/3"])
async def test_model_metadata_tells_the_signature(path):
    async with client_of(Planes()) as client:
        answer = await client.get(path)
    tensor = {"name": "x", "datatype": "FP32", "shape": [-1, 3]}
    assert answer.json() == {
        "name": "rows",
        "versions": ["2", "3"],
        "platform": "onnxruntime_onnx",
        "inputs": [tensor],
        "outputs": [tensor],
    }


@pytest.mark.parametrize("path", ["/v2/models/rows/config", "/v2/models/rows/versions/2/config"])
async def test_config_is_served(path):
    async with client_of(Planes()) as client:
        answer = await client.get(path)
    assert (answer.json()["name"], answer.json()["max_batch_size"]) == ("rows", 8)


@pytest.mark.parametrize(
    ("path", "name", "version"),
    [
        ("/v2/models/stats", "all", "3"),
        ("/v2/models/rows/stats", "rows", "3"),
        ("/v2/models/rows/versions/2/stats", "rows", "2"),
        ("/v2/models/rows/versions/stable/stats", "rows", "3"),
    ],
)
async def test_statistics_are_served_and_stats_is_no_model(path, name, version):
    async with client_of(Planes()) as client:
        answer = await client.get(path)
    (stats,) = answer.json()["model_stats"]
    assert (stats["name"], stats["version"], stats["inference_count"]) == (name, version, 7)


@pytest.mark.parametrize("verb", ["/infer", "/ready", "/config", "/stats", ""])
@pytest.mark.parametrize(
    "model", ["nobody", "rows/versions/99", "rows/versions/latest", "rows/versions/" + "a" * 64]
)
async def test_unknown_models_versions_and_labels_are_404(verb, model):
    async with client_of(Planes()) as client:
        if verb == "/infer":
            answer = await client.post(f"/v2/models/{model}{verb}", json=GOOD)
        else:
            answer = await client.get(f"/v2/models/{model}{verb}")
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("Request for unknown model: ")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v3",
        "/v2/",
        "/v2/models",
        "/v2/models/rows/generate",
        "/v2/models/rows/versions/-1/ready",
        "/v2/models/rows/versions/1.0",
        "/v2/models/rows/versions/1e3",
        "/v2/models/rows/versions/a%20b/ready",
        "/v2/models/rows/versions/_a",
        "/v2/models/rows/versions/%C3%A4",
        "/v2/models/rows/versions/" + "a" * 65,
        "/v2/models/rows/versions/" + "9" * 5000,
        "/v2/models/..%2F..%2Fetc%2Fpasswd",
        "/v2/models/%2e%2e%2f%2e%2e%2fsecret/config",
    ],
)
async def test_what_is_not_routed_is_404(path):
    async with client_of(Planes()) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})


@pytest.mark.parametrize("verb", ["infer", "ready", "config"])
async def test_a_label_is_a_versions_name(verb):
    planes = Planes()
    async with client_of(planes) as client:
        if verb == "infer":
            answer = await client.post("/v2/models/rows/versions/stable/infer", json=GOOD)
        else:
            answer = await client.get(f"/v2/models/rows/versions/stable/{verb}")
    assert answer.status_code == 200
    assert [request.version for request in planes.asked] == ["stable"] * (verb == "infer")


@pytest.mark.parametrize("name", ["%2e%2e", "%00", "%ff%fe", "%0a", "a%5cb", "%F0%9F%90%88", "'\""])
async def test_strange_names_are_unknown_models(name):
    async with client_of(Planes()) as client:
        answer = await client.get(f"/v2/models/{name}/config")
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    ("verb", "path", "allow"),
    [
        ("GET", "/v2/models/rows/infer", "POST"),
        ("PUT", "/v2/models/rows/versions/1/infer", "POST"),
        ("POST", "/v2/health/live", "GET"),
        ("POST", "/v2/models/stats", "GET"),
        ("GET", "/v2/repository/index", "POST"),
        ("DELETE", "/v2/logging", "GET, POST"),
    ],
)
async def test_the_wrong_verb_is_405_and_names_the_right_ones(verb, path, allow):
    async with client_of(Planes()) as client:
        answer = await client.request(verb, path)
    assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"})
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (InvalidArgument("why"), 400),
        (NotFound("why"), 404),
        (TooLarge("why"), 413),
        (Unavailable("why"), 503),
        (Overloaded("why"), 429),
        (DeadlineExceeded("why"), 504),
        (Cancelled("why"), 499),
        (Unsupported("why"), 501),
        (Internal("why"), 500),
    ],
)
async def test_each_code_has_its_status(failure, status):
    async with client_of(Planes(failure=failure)) as client:
        answer = await client.post("/v2/models/rows/infer", json=GOOD)
    assert (answer.status_code, answer.json()) == (status, {"error": "why"})
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(("seconds", "told"), [(0.01, "1"), (1.2, "2"), (30, "30")])
async def test_a_retry_hint_is_told_in_whole_seconds(seconds, told):
    async with client_of(Planes(failure=Overloaded("full", retry_after=seconds))) as client:
        answer = await client.post("/v2/models/rows/infer", json=GOOD)
    assert answer.headers["retry-after"] == told


async def test_the_unexpected_is_a_500_that_tells_nothing():
    async with client_of(Planes(failure=RuntimeError("/secret/path"))) as client:
        answer = await client.post("/v2/models/rows/infer", json=GOOD)
        assert (answer.status_code, answer.json()) == (
            500,
            {"error": "internal error; see the server's log"},
        )
        assert (await client.get("/v2/health/live")).status_code == 200


async def test_an_endless_message_is_cut():
    async with client_of(Planes(failure=InvalidArgument("x" * 100_000))) as client:
        answer = await client.post("/v2/models/rows/infer", json=GOOD)
    assert len(answer.content) < 5000


async def test_the_docs_page_exists():
    async with client_of(Planes()) as client:
        page = await client.get("/docs")
    assert page.status_code == 200
    assert "swagger" in page.text.lower()


async def test_the_openapi_document_describes_every_route_and_its_references_resolve():
    async with client_of(Planes()) as client:
        document = (await client.get("/openapi.json")).json()
    infer = document["paths"]["/v2/models/{model}/versions/{version}/infer"]["post"]
    assert [p["name"] for p in infer["parameters"]][:2] == ["model", "version"]
    assert set(infer["requestBody"]["content"]) == {"application/json", "application/octet-stream"}
    assert set(infer["responses"]["200"]["content"]) == {
        "application/json",
        "application/octet-stream",
    }
    assert set(infer["responses"]) >= {"400", "404", "413", "429", "503", "504"}
    assert set(document["paths"]["/v2/logging"]) == {"get", "post"}
    ids = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    assert len(set(ids)) == len(ids)
    for reference in _references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


@pytest.mark.parametrize("example", ["numbers", "strings", "classification"])
async def test_the_examples_fit_their_schema(example):
    async with client_of(Planes()) as client:
        document = (await client.get("/openapi.json")).json()
    infer = document["paths"]["/v2/models/{model}/infer"]["post"]
    content = infer["requestBody"]["content"]["application/json"]
    jsonschema.validate(
        content["examples"][example]["value"],
        content["schema"] | {"components": document["components"]},
    )


def _references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
