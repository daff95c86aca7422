"""Work stops when its client goes away, and only then."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from server.access.access import open_to_all
from server.errors import Cancelled
from server.frontends.disconnect import CancelWhenGone
from server.frontends.rest import create_app
from tests.unit.server.frontends.rest_double import LIMITS, Planes


class Line:
    """A `receive` that says nothing until `cut` is called."""

    def __init__(self) -> None:
        self._gone = asyncio.Event()
        self.listening = asyncio.Event()

    def cut(self) -> None:
        self._gone.set()

    async def receive(self) -> dict:
        self.listening.set()
        await self._gone.wait()
        return {"type": "http.disconnect"}


async def test_a_client_that_leaves_ends_the_block_with_cancelled():
    line = Line()
    asyncio.get_running_loop().call_soon(line.cut)
    with pytest.raises(Cancelled), CancelWhenGone(line.receive, 0):
        await asyncio.Event().wait()
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_a_quick_block_spends_no_task_on_listening():
    line = Line()
    tasks = asyncio.all_tasks()
    with CancelWhenGone(line.receive, 60):
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == tasks
    assert not line.listening.is_set()


async def test_a_block_that_ends_stops_the_listening():
    line = Line()
    tasks = asyncio.all_tasks()
    with CancelWhenGone(line.receive, 0):
        await line.listening.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == tasks


async def test_an_error_of_the_block_goes_through():
    line = Line()

    async def work() -> None:
        with CancelWhenGone(line.receive, 0):
            await line.listening.wait()
            raise KeyError

    with pytest.raises(KeyError):
        await work()


async def test_a_cancellation_from_elsewhere_stays_one():
    line = Line()

    async def work() -> None:
        with CancelWhenGone(line.receive, 0):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await line.listening.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_leftover_parts_of_the_body_are_no_farewell():
    messages = [{"type": "http.request"}, {"type": "http.request"}]
    line = Line()

    async def receive() -> dict:
        return messages.pop() if messages else await line.receive()

    with CancelWhenGone(receive, 0):
        await line.listening.wait()


async def test_an_inference_whose_client_leaves_is_cancelled():
    planes = Planes(hang=True)
    app = create_app(planes, planes, LIMITS, open_to_all())
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}
    line = Line()
    body = [{"type": "http.request", "body": orjson.dumps({"inputs": [tensor]})}]
    sent: list[dict] = []

    async def receive() -> dict:
        return body.pop() if body else await line.receive()

    async def send(message: dict) -> None:
        sent.append(message)

    path = "/v2/models/rows/infer"
    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    serving = asyncio.create_task(app(scope, receive, send))
    await planes.started.wait()
    line.cut()
    await planes.cancelled.wait()
    await serving
    assert sent[0]["status"] == 499
