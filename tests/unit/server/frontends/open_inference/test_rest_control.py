"""Repository, trace and log endpoints over REST."""

from __future__ import annotations

import base64

import pytest

from server.errors import Unsupported
from tests.unit.server.frontends.rest_double import Planes, client_of
from tests.unit.server.switched import switches

TRACE = ["/v2/trace/setting", "/v2/models/rows/trace/setting"]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready":false}'])
async def test_the_index_lists_every_version_with_its_state(body):
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/repository/index", content=body)
    assert answer.json() == [
        {"name": "broken", "version": "1", "state": "UNAVAILABLE", "reason": "no such op"},
        {"name": "new", "state": "UNAVAILABLE"},
        {"name": "rows", "version": "3", "state": "READY"},
    ]


async def test_the_index_can_be_of_the_ready_alone():
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/repository/index", json={"ready": True})
    assert [entry["name"] for entry in answer.json()] == ["rows"]


@pytest.mark.parametrize("body", [b'{"ready":1}', b"[]", b"{", b"\xff"])
async def test_a_bad_index_request_is_refused(body):
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/repository/index", content=body)
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["index", "models/m/load", "models/m/unload"])
async def test_naming_a_repository_is_not_offered(path):
    async with client_of(Planes()) as client:
        answer = await client.post(f"/v2/repository/mine/{path}")
    assert answer.status_code == 501
    assert answer.json() == {"error": "'repository_name' specification is not supported"}


async def test_load_and_unload_reach_the_control_plane():
    planes = Planes()
    files = {"config": "{}", "file:1/model.onnx": base64.b64encode(b"\0\1").decode()}
    async with client_of(planes) as client:
        answers = [
            await client.post("/v2/repository/models/m/load"),
            await client.post("/v2/repository/models/m/load", json={"parameters": files}),
            await client.post("/v2/repository/models/m/unload"),
            await client.post(
                "/v2/repository/models/m/unload", json={"parameters": {"unload_dependents": True}}
            ),
        ]
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * 4
    assert planes.orders == [
        ("load", "m", {}),
        ("load", "m", {"config": "{}", "file:1/model.onnx": b"\0\1"}),
        ("unload", "m", False),
        ("unload", "m", True),
    ]


@pytest.mark.parametrize("order", ["load", "unload"])
async def test_a_refusal_of_the_control_plane_is_told(order):
    async with client_of(Planes(refusal=Unsupported("control is off"))) as client:
        answer = await client.post(f"/v2/repository/models/m/{order}")
    assert (answer.status_code, answer.json()) == (501, {"error": "control is off"})


@pytest.mark.parametrize(
    ("order", "parameters"),
    [
        ("load", {"file:1/m": "not base64!"}),
        ("load", {"file:1/m": "ä"}),
        ("load", {"file:1/m": 7}),
        ("load", {"config": 1.5}),
        ("load", {"config": {}}),
        ("load", []),
        ("unload", {"unload_dependents": "yes"}),
    ],
)
async def test_bad_parameters_are_refused(order, parameters):
    planes = Planes()
    async with client_of(planes) as client:
        answer = await client.post(
            f"/v2/repository/models/m/{order}", json={"parameters": parameters}
        )
    assert answer.status_code == 400
    assert planes.orders == []


@pytest.mark.parametrize("path", [*TRACE, "/v2/logging"])
async def test_settings_can_be_read_and_an_update_that_changes_nothing_passes(path):
    async with client_of(Planes()) as client:
        read = await client.get(path)
        same = await client.post(path, json=read.json())
        reset = await client.post(path, json=dict.fromkeys(read.json()))
        empty = await client.post(path)
    assert len(read.json()) == 6
    assert read.json() == same.json() == reset.json() == empty.json()


@pytest.mark.parametrize(
    ("path", "change", "name"),
    [
        *((path, {"trace_level": ["TIMESTAMPS"]}, "trace_level") for path in TRACE),
        ("/v2/trace/setting", {"trace_file": "/etc/passwd"}, "trace_file"),
        ("/v2/logging", {"log_file": "x"}, "log_file"),
    ],
)
async def test_a_setting_that_cannot_be_changed_is_named(path, change, name):
    async with client_of(Planes()) as client:
        answer = await client.post(path, json=change)
    assert answer.status_code == 501
    assert f"setting '{name}' cannot be changed" in answer.json()["error"]


async def test_a_models_trace_settings_are_its_own():
    async with client_of(Planes(switches=switches(tracing=True))) as client:
        changed = await client.post(TRACE[1], json={"trace_rate": "50", "trace_level": ["OFF"]})
        server = await client.get(TRACE[0])
        reset = await client.post(TRACE[1], json={"trace_rate": None, "trace_level": None})
    assert (changed.json()["trace_rate"], changed.json()["trace_level"]) == ("50", ["OFF"])
    assert (server.json()["trace_rate"], server.json()["trace_level"]) == ("1", ["TIMESTAMPS"])
    assert reset.json() == server.json()


@pytest.mark.parametrize("value", [1.5, {"a": 1}, [1], [["OFF"]]])
async def test_a_setting_of_no_known_type_is_refused(value):
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/trace/setting", json={"trace_level": value})
    assert answer.status_code == 400
    assert "setting 'trace_level': expected a text" in answer.json()["error"]


async def test_too_many_settings_are_refused():
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/logging", json={str(n): n for n in range(100)})
    assert answer.status_code == 400
    assert "expected at most 64" in answer.json()["error"]


async def test_an_unknown_setting_is_refused():
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/logging", json={"colour": "red"})
    assert answer.status_code == 400
    assert "unknown log setting 'colour'" in answer.json()["error"]


async def test_trace_settings_of_an_unknown_model_are_404():
    async with client_of(Planes()) as client:
        assert (await client.get("/v2/models/nobody/trace/setting")).status_code == 404
