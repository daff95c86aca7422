"""Time running out: in the client, in the call's deadline, in the request's own timeout.

The model `slow` takes a second for each call, so a tenth of one is never enough.
"""

from __future__ import annotations

import queue
from typing import Any

import numpy as np

from tests.e2e.clients.infer_checks import WAIT_S
from tests.e2e.clients.registry import GRPC, Checks, failure

checks = Checks()


def slow_input(t: Any) -> Any:
    """What the slow model takes."""
    return t.input("x", np.ones((1, 2), np.float32))


@checks.on(*GRPC)
async def a_call_past_its_deadline_ends_with_deadline_exceeded(t: Any) -> None:
    # Server and client both watch the clock; whoever is first says so in its own words.
    await t.refused(504, "eadline", "infer", "slow", [slow_input(t)], client_timeout=0.1)


@checks.on()
async def a_request_past_its_own_timeout_ends_with_deadline_exceeded(t: Any) -> None:
    words = "deadline"
    await t.refused(504, words, "infer", "slow", [slow_input(t)], timeout=100_000)


@checks.on()
async def enough_time_is_enough(t: Any) -> None:
    limit = {"client_timeout": WAIT_S} if t.is_grpc else {}
    result = await t.infer("slow", slow_input(t), timeout=WAIT_S * 1_000_000, **limit)
    assert result.as_numpy("x_out").tolist() == [[1, 1]]


@checks.on("grpc")
async def an_async_call_past_its_deadline_calls_back_with_the_error(t: Any) -> None:
    ended: queue.Queue[tuple[Any, Any]] = queue.Queue()
    t.client.async_infer(
        "slow",
        [slow_input(t)],
        lambda result, error: ended.put((result, error)),
        client_timeout=0.1,
    )
    result, error = ended.get(timeout=WAIT_S)
    assert result is None
    t.expect_error(error, 504, "eadline")


@checks.on("grpc")
async def an_async_call_can_be_cancelled(t: Any) -> None:
    ended: queue.Queue[tuple[Any, Any]] = queue.Queue()
    call = t.client.async_infer(
        "slow", [slow_input(t)], lambda result, error: ended.put((result, error))
    )
    call.cancel()
    result, error = ended.get(timeout=WAIT_S)
    assert result is None
    assert error.status() == "StatusCode.CANCELLED"


@checks.on("http", "http-aio")
async def a_client_that_gives_up_hurts_nobody_else(t: Any) -> None:
    limit = {"conn_timeout": 0.1} if t.is_aio else {"network_timeout": 0.1}
    hasty = t.another(**limit)
    error = await failure(hasty.infer("slow", slow_input(hasty)))
    # The clients' own words for it differ with their HTTP libraries.
    assert "timed out" in str(error).lower() or isinstance(error, TimeoutError), repr(error)
    await hasty.close()
    assert (await t.infer("slow", slow_input(t))).as_numpy("x_out").tolist() == [[1, 1]]
