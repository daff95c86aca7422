"""The door in front of the framework and the framework's own way give one answer."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette

from server.access.access import open_to_all
from server.errors import Overloaded
from server.frontends.open_inference.infer_door import InferDoor
from server.frontends.open_inference.rest_infer import InferEndpoint
from server.frontends.rest import create_app
from server.frontends.whole_request import WholeCycle
from tests.unit.server.frontends.open_inference.test_rest_infer import HEADER, binary
from tests.unit.server.frontends.rest_double import LIMITS, Planes

ROW = {"name": "x", "datatype": "FP32", "shape": [1, 3]}
JSON = b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}'
IN_TAIL = ROW | {"parameters": {"binary_data_size": 12}}
DOCUMENT = {"id": "r", "parameters": {"binary_data_output": True}, "inputs": [IN_TAIL]}
TAIL, TAIL_HEADERS = binary(DOCUMENT, bytes(12))
LONG, LONG_HEADERS = binary(DOCUMENT | {"id": "r" * 1000}, bytes(12))

REQUESTS = {
    "json": (JSON, {}, Planes()),
    "binary": (TAIL, TAIL_HEADERS, Planes()),
    "raw": (bytes(12), {HEADER: "0"}, Planes()),
    "compressed": (LONG, LONG_HEADERS | {"accept-encoding": "gzip"}, Planes()),
    "broken": (b"{", {}, Planes()),
    "bad length": (JSON, {HEADER: "-1"}, Planes()),
    "unknown encoding": (JSON, {"content-encoding": "br"}, Planes()),
    "too large": (b"", {"content-length": "999999999"}, Planes()),
    "refused": (JSON, {}, Planes(failure=Overloaded("full", retry_after=2))),
    "unexpected": (JSON, {}, Planes(failure=KeyError("secret"))),
}


async def answer_of(app: Starlette, scope: dict, body: bytes) -> tuple[int, set, bytes]:
    """Status, headers and body of one request."""
    sent: list[dict] = []
    messages = [{"type": "http.request", "body": body}]

    async def receive() -> dict:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *rest = sent
    names = [name for name, _ in start["headers"]]
    assert len(set(names)) == len(names)
    return start["status"], set(start["headers"]), b"".join(part["body"] for part in rest)


def scope_of(path: str, headers: dict[str, str], **more: object) -> dict:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": raw,
        **more,
    }


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("path", ["/v2/models/rows/infer", "/v2/models/rows/versions/03/infer"])
async def test_both_ways_answer_alike(name, path, monkeypatch):
    body, headers, planes = REQUESTS[name]
    planes.asked.clear()
    app = create_app(planes, planes, LIMITS, open_to_all())
    by_the_door = await answer_of(app, scope_of(path, headers), body)
    asked = list(planes.asked)
    monkeypatch.setattr(InferDoor, "target", lambda _door, _scope: None)
    assert await answer_of(app, scope_of(path, headers), body) == by_the_door
    assert planes.asked == asked * 2


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v2/models/m/infer", ("m", "")),
        ("/v2/models/m/versions/7/infer", ("m", "7")),
        ("/v2/models/m/versions/007/infer", ("m", "7")),
        ("/v2/models/m/versions/stable/infer", ("m", "stable")),
        ("/v2/models/é b/infer", ("é b", "")),
        ("/v2/models//infer", None),
        ("/v2/models/m/infer/", None),
        ("/v2/models/m/n/infer", None),
        ("/v2/models/m/infer\n", None),
        ("/v2/models/m\n/infer", None),
        ("/v2/models/m/versions/1.5/infer", None),
        ("/v2/models/m/versions//infer", None),
        ("/v2/models/m/versions/" + "9" * 19 + "/infer", None),
        ("/v2/models/m", None),
        ("/x/v2/models/m/infer", None),
    ],
)
def test_only_inference_is_taken(path, target):
    planes = Planes()
    assert (
        InferDoor(InferEndpoint(planes, LIMITS), open_to_all()).target(scope_of(path, {})) == target
    )


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (b"/v2/models/m/infer", ("m", "")),
        (b"/v2/models/m/infer?a=b#c", ("m", "")),
        (b"/v2/models/m%20n/versions/007/infer", ("m n", "7")),
        (b"/v2/models/%C3%A9/infer", ("é", "")),
        (b"http://elsewhere:1/v2/models/m/infer", ("m", "")),
        (b"/v2/models/a%2Fb/infer", None),
        (b"/v2/models/m/infer/", None),
        (b"/v2/models/\xe9/infer", None),
        (b"/v2/models/" + b"m" * 600 + b"/infer", None),
        (b"*", None),
        (b"", None),
    ],
)
async def test_a_whole_request_goes_where_the_framework_would_lead_it(url, target):
    planes = Planes()
    endpoint = InferEndpoint(planes, LIMITS)
    found = InferDoor(endpoint, open_to_all()).whole(url)
    assert (found.args if found is not None else None) == target


class Wire:
    """A connection that keeps what is written to it."""

    is_full = False

    def __init__(self) -> None:
        self.written = b""

    async def writable(self) -> None: ...

    def write_whole(self, buffers) -> None:
        self.written += b"".join(buffers)

    def end(self, *, keep: bool) -> None: ...

    def forget(self, cycle: WholeCycle) -> None: ...


@pytest.mark.parametrize("name", sorted(REQUESTS.keys() - {"unknown encoding", "too large"}))
async def test_a_whole_request_is_answered_like_any_other(name):
    body, headers, planes = REQUESTS[name]
    planes.asked.clear()
    path, app, wire = (
        "/v2/models/rows/infer",
        create_app(planes, planes, LIMITS, open_to_all()),
        Wire(),
    )
    raw = {name.lower().encode(): value.encode() for name, value in headers.items()}
    url = path.encode()
    cycle = WholeCycle(url, app.door.whole(url), raw, wire, [], keep_alive=True)
    cycle.add(body)
    await cycle.run()
    head, _, content = wire.written.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    found = int(line.split()[1]), {tuple(field.split(b": ", 1)) for field in fields}, content
    assert found == await answer_of(app, scope_of(path, headers), body)
    assert planes.asked[:1] == planes.asked[1:]


@pytest.mark.parametrize(
    "more", [{"method": "GET"}, {"root_path": "/proxy"}, {"type": "websocket"}], ids=str
)
def test_what_is_unusual_is_left_to_the_framework(more):
    planes = Planes()
    scope = scope_of("/v2/models/m/infer", {}) | more
    assert InferDoor(InferEndpoint(planes, LIMITS), open_to_all()).target(scope) is None


async def test_of_a_header_given_twice_the_first_counts():
    planes = Planes()
    scope = scope_of("/v2/models/rows/infer", {HEADER: TAIL_HEADERS[HEADER]})
    scope["headers"].append((HEADER.lower().encode(), b"3"))
    status, _, _ = await answer_of(create_app(planes, planes, LIMITS, open_to_all()), scope, TAIL)
    assert status == 200
