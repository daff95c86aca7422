"""The operators' port through a browser: its own pages may act, those of others may not."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from server.frontends.operator_guard import OperatorGuard, host_of, is_local, refused

HERE = "127.0.0.1:8002"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("POST", {}),  # curl, underway, Prometheus: no browser
        ("POST", {"origin": f"http://{HERE}"}),
        ("POST", {"origin": f"http://{HERE}", "sec-fetch-site": "same-origin"}),
        ("POST", {"origin": f"https://{HERE}"}),  # a proxy in front that has the certificate
        ("GET", {"origin": "http://elsewhere"}),  # the answer is kept from the page by the browser
        ("GET", {"sec-fetch-site": "cross-site"}),  # a link that somebody follows
        ("POST", {"host": "localhost:8002", "origin": "http://localhost:8002"}),
        ("POST", {"host": "[::1]:8002", "origin": "http://[::1]:8002"}),
    ],
)
def test_what_is_no_page_of_another_origin_is_let_through(method, headers):
    assert refused(method, {"host": HERE, **headers}, loopback=True) == ""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://elsewhere"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://127.0.0.1:8000"},  # the clients' port of the same server
        {"origin": f"file://{HERE}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_what_another_page_would_change_is_refused(method, headers):
    assert "expected a page of this server" in refused(method, {"host": HERE, **headers}, False)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_name_for_this_machine_is_refused_where_only_it_can_ask(method):
    headers = {"host": "evil.example:8002", "origin": "http://evil.example:8002"}

    assert refused(method, headers, loopback=False) == ""
    assert refused(method, headers, loopback=True) == (
        "Host 'evil.example:8002': expected localhost or a loopback address, because the server "
        "listens on this machine only"
    )


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_names_and_addresses_of_this_machine_alone(host, local):
    assert is_local(host) is local


@pytest.mark.parametrize(
    ("place", "host"),
    [
        ("LOCALHOST:80", "localhost"),
        ("[::1]:80", "::1"),
        ("[::1", ""),
        ("a@localhost", "localhost"),
    ],
)
def test_the_host_of_a_header(place, host):
    assert host_of(place) == host


async def test_a_refusal_has_the_shape_of_all_refusals_and_metrics_are_for_everyone():
    async def answer(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("done")

    app = Starlette(
        routes=[Route(path, answer, methods=["GET", "POST"]) for path in ("/v2/x", "/metrics")]
    )
    transport = httpx.ASGITransport(OperatorGuard(app, "127.0.0.1"))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HERE}") as client:
        refusal = await client.post("/v2/x", headers={"origin": "http://elsewhere"})
        assert (refusal.status_code, list(refusal.json())) == (403, ["error"])
        assert (await client.post("/v2/x")).text == "done"
        foreign = {"host": "prometheus.example"}
        assert (await client.get("/metrics", headers=foreign)).text == "done"
        assert (await client.get("/v2/x", headers=foreign)).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/health/ready", 200),
        ("HEAD", "/v2/health/live", 200),
        ("GET", "/v2/models/m/versions/1/ready", 200),
        ("GET", "/v2/admin/history", 403),
        ("POST", "/v2/admin/models/ready", 403),
    ],
)
async def test_probes_are_for_everyone_and_what_operators_ask_is_not(method, path, status):
    async def anything(scope, receive, send):
        await PlainTextResponse("")(scope, receive, send)

    transport = httpx.ASGITransport(OperatorGuard(anything, "127.0.0.1"))
    async with httpx.AsyncClient(transport=transport, base_url="http://balancer") as client:
        answer = await client.request(method, path)

    assert answer.status_code == status
