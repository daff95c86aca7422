"""The operators' page on a double: what is passed on, what is refused, what is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from server.errors import InvalidArgument, NotFound, ServingError
from server.frontends.admin import MAX_BODY, MAX_HISTORY, create_admin_app
from server.lifecycle.history import Transition
from server.lifecycle.overview import Durations, ModelView, Overview
from server.lifecycle.states import State
from server.planes import TraceFile

ENTRY = Transition(
    12.5, "m", 3, State.LOADING, State.FAILED, 0.25, "no such op", "repository", "load"
)


@dataclass
class Admin:
    """Takes note of what it is asked; `refusal` answers everything."""

    refusal: Exception | None = None
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def labels(self, model: str) -> Mapping[str, int]:
        self._note("labels", model)
        return {"stable": 3}

    async def label(self, model: str, labels: Mapping[str, int | None]) -> None:
        self._note("label", model, dict(labels))

    async def roll_back(self, model: str) -> int:
        self._note("roll_back", model)
        return 2

    def history(self, model: str, limit: int) -> Sequence[Transition]:
        self._note("history", model, limit)
        return [ENTRY]

    async def profile(self, model: str, version: str, batches: int, seconds: float) -> TraceFile:
        self._note("profile", model, version, batches, seconds)
        return TraceFile("m-3.x.trace.json" if model == "m" else 'é"-3.xplane.pb', b"{}")

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        self._note("metrics", accept)
        return b"things 1", "text/plain; version=0.0.4"

    async def overview(self) -> Overview:
        self._note("overview")
        lag = Durations(2, 0.5, [1, 1])
        return Overview(12.5, (0.1,), [ModelView("m", "", {"stable": 3}, 1, 2, ())], {},
                        {"gateway": lag})  # fmt: skip

    def _note(self, *call: object) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(call)


@dataclass
class Probes:
    """Says what it is told to; knows the model `m` alone."""

    yes: bool = True

    def live(self) -> bool:
        return self.yes

    def ready(self) -> bool:
        return self.yes

    def model_ready(self, model: str, version: str) -> bool:
        if (model, version) not in (("m", ""), ("m", "3")):
            raise NotFound(f"Request for unknown model: '{model}' is not found")
        return self.yes


@asynccontextmanager
async def client_of(admin: Admin, probes: Probes | None = None) -> AsyncIterator[httpx.AsyncClient]:
    app = create_admin_app(admin, probes or Probes())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/v2/admin/history", ("history", "", MAX_HISTORY)),
        ("/v2/admin/history?limit=7", ("history", "", 7)),
        ("/v2/admin/history?limit=0", ("history", "", 0)),
        ("/v2/admin/history?limit=999999999", ("history", "", MAX_HISTORY)),
        ("/v2/admin/models/m/history?limit=1", ("history", "m", 1)),
        ("/v2/admin/models/a%20b/history", ("history", "a b", MAX_HISTORY)),
    ],
)
async def test_the_history_is_told_whole_or_in_part(path, call):
    admin = Admin()
    async with client_of(admin) as client:
        answer = await client.get(path)

    assert (answer.status_code, admin.asked) == (200, [call])
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "history": [
            {
                "time": 12.5,
                "model": "m",
                "version": 3,
                "source": "LOADING",
                "target": "FAILED",
                "seconds": 0.25,
                "reason": "no such op",
                "cause": "repository",
                "kind": "load",
            }
        ]
    }


@pytest.mark.parametrize("limit", ["-1", "1.5", "many", "", "1" * 10, "%00"])
async def test_a_limit_that_is_no_number_is_refused(limit):
    admin = Admin()
    async with client_of(admin) as client:
        answer = await client.get(f"/v2/admin/history?limit={limit}")

    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "limit: expected a whole number"},
    )
    assert admin.asked == []


async def test_labels_are_told():
    admin = Admin()
    async with client_of(admin) as client:
        answer = await client.get("/v2/admin/models/m/labels")

    assert (answer.status_code, answer.json()) == (200, {"labels": {"stable": 3}})


async def test_labels_are_moved_in_one_call_and_the_answer_tells_those_there_are():
    admin = Admin()
    labels = {"stable": 3, "old": None}
    async with client_of(admin) as client:
        answer = await client.post("/v2/admin/models/m/labels", json={"labels": labels})

    assert (answer.status_code, answer.json()) == (200, {"labels": {"stable": 3}})
    assert admin.asked == [("label", "m", labels), ("labels", "m")]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "expected {"),
        (b"{}", "expected {"),
        (b'{"labels": {}}', "expected {"),
        (b'{"labels": [1]}', "expected {"),
        (b'{"labels": "stable"}', "expected {"),
        (b'{"labels": {"a": "3"}}', "labels.a: expected a version number or null"),
        (b'{"labels": {"a": 3.0}}', "labels.a: expected a version number or null"),
        (b'{"labels": {"a": true}}', "labels.a: expected a version number or null"),
        (b'{"labels": {"a": 0}}', "labels.a: expected a version number or null"),
        (b'{"labels": {"a": -1}}', "labels.a: expected a version number or null"),
        (b"[]", "object"),
        (b"{", "JSON"),
        (b"\xff", "JSON"),
    ],
)
async def test_what_are_no_labels_is_refused_before_anybody_is_asked(body, words):
    admin = Admin()
    async with client_of(admin) as client:
        answer = await client.post("/v2/admin/models/m/labels", content=body)

    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert admin.asked == []


async def test_a_body_that_is_too_large_is_refused():
    admin = Admin()
    async with client_of(admin) as client:
        answer = await client.post("/v2/admin/models/m/labels", content=b" " * (MAX_BODY + 1))

    assert (answer.status_code, admin.asked) == (413, [])


async def test_a_rollback_tells_the_version_it_ended_at():
    admin = Admin()
    async with client_of(admin) as client:
        answer = await client.post("/v2/admin/models/m/rollback")

    assert (answer.status_code, answer.json()) == (200, {"model": "m", "version": 2})
    assert admin.asked == [("roll_back", "m")]


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (InvalidArgument("'m' has no version before 1 to roll back to"), 400),
        (NotFound("Request for unknown model: 'm' is not found"), 404),
        (RuntimeError("/a/path and a traceback"), 500),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/admin/models/m/rollback"),
        ("POST", "/v2/admin/models/m/labels"),
        ("GET", "/v2/admin/models/m/labels"),
        ("GET", "/v2/admin/history"),
    ],
)
async def test_a_refusal_is_one_sentence_as_everywhere(refusal, status, method, path):
    async with client_of(Admin(refusal)) as client:
        answer = await client.request(method, path, json={"labels": {"a": 1}})

    told = refusal.message if isinstance(refusal, ServingError) else None
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert told is None or answer.json()["error"] == told
    assert "traceback" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v2/models/m", 404),
        ("POST", "/v2/models/m/infer", 404),
        ("GET", "/v2/admin/models/m/rollback", 405),
        ("DELETE", "/v2/admin/models/m/labels", 405),
        ("POST", "/metrics", 405),
        ("POST", "/v2/admin/history", 405),
    ],
)
async def test_nothing_else_is_there(method, path, status):
    admin = Admin()
    async with client_of(admin) as client:
        answer = await client.request(method, path)

    assert (answer.status_code, admin.asked) == (status, [])


async def test_metrics_are_given_in_the_form_that_is_accepted_without_a_redirect():
    admin = Admin()
    async with client_of(admin) as client:
        answer = await client.get("/metrics", headers={"accept": "application/openmetrics-text"})

    assert (answer.status_code, answer.text) == (200, "things 1")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    assert admin.asked == [("metrics", "application/openmetrics-text")]


async def test_the_overview_is_told_as_json():
    async with client_of(Admin()) as client:
        told = (await client.get("/v2/admin/overview")).json()

    assert (told["time"], told["latency_bounds"]) == (12.5, [0.1])
    assert told["models"][0]["labels"] == {"stable": 3}
    assert told["event_loop_lag"]["gateway"] == {"count": 2, "sum_s": 0.5, "buckets": [1, 1]}


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/v2/models/m/profile?batches=20", ("profile", "m", "", 20, 30)),
        ("/v2/models/m/profile?batches=1&seconds=5", ("profile", "m", "", 1, 5)),
        ("/v2/models/m/versions/007/profile?batches=2", ("profile", "m", "7", 2, 30)),
        ("/v2/models/m/versions/stable/profile?batches=2", ("profile", "m", "stable", 2, 30)),
    ],
)
async def test_a_profile_is_asked_for_and_comes_as_a_file(path, call):
    admin = Admin()
    async with client_of(admin) as client:
        answer = await client.post(path)
    assert admin.asked == [call]
    assert answer.content == b"{}"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''m-3.x.trace.json"
    )


async def test_a_profile_of_another_form_is_bytes_and_its_name_cannot_break_a_header():
    async with client_of(Admin()) as client:
        answer = await client.post("/v2/models/other/profile?batches=1")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].endswith("''%C3%A9%22-3.xplane.pb")


@pytest.mark.parametrize("query", ["", "?batches=", "?batches=-1", "?batches=1&seconds=1.5"])
async def test_a_profile_of_no_number_of_batches_is_refused(query):
    async with client_of(Admin()) as client:
        answer = await client.post(f"/v2/models/m/profile{query}")
    assert answer.status_code == 400
    assert ": expected a whole number" in answer.json()["error"]


@pytest.mark.parametrize("yes", [True, False])
@pytest.mark.parametrize(
    "path",
    ["/v2/health/live", "/v2/health/ready", "/v2/models/m/ready", "/v2/models/m/versions/3/ready"],
)
async def test_probes_are_answered_with_a_status_alone(path, yes):
    async with client_of(Admin(), probes=Probes(yes)) as client:
        answer = await client.get(path)

    assert (answer.status_code, answer.content) == (200 if yes else 503, b"")


async def test_a_probe_of_an_unknown_model_is_not_found():
    async with client_of(Admin()) as client:
        answer = await client.get("/v2/models/nobody/ready")

    assert answer.status_code == 404
    assert "nobody" in answer.json()["error"]
