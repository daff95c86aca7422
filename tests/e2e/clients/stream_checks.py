"""gRPC streams: one answer per request in order, errors as answers, and the end."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np

from tests.e2e.clients.infer_checks import WAIT_S, images
from tests.e2e.clients.registry import Checks, failure

checks = Checks()

Ended = tuple[Any, Any]


@contextmanager
def stream(t: Any, **options: Any) -> Iterator[queue.Queue[Ended]]:
    """A started stream; what its callback got is in the queue."""
    ended: queue.Queue[Ended] = queue.Queue()
    t.client.start_stream(lambda result, error: ended.put((result, error)), **options)
    try:
        yield ended
    finally:
        t.client.stop_stream()


def request(t: Any, model: str, rows: int) -> dict[str, Any]:
    """One request as both stream methods take it."""
    inputs = [t.input("image", images(rows))]
    return {"model_name": model, "inputs": inputs, "request_id": str(rows)}


def expect_rows(t: Any, result: Any, rows: int) -> None:
    """The answer to `request(t, ..., rows)`."""
    assert result.as_numpy("probabilities").shape == (rows, 10)
    assert t.head(result).id == str(rows)


@checks.on("grpc")
async def a_stream_answers_every_request_in_order(t: Any) -> None:
    with stream(t) as ended:
        for rows in range(1, 21):
            t.client.async_stream_infer(**request(t, "digits-onnx", rows))
        for rows in range(1, 21):
            result, error = ended.get(timeout=WAIT_S)
            assert error is None, error
            expect_rows(t, result, rows)
    assert ended.empty()


@checks.on("grpc")
async def stop_stream_waits_for_what_is_under_way(t: Any) -> None:
    with stream(t) as ended:
        x = t.input("x", np.ones((1, 2), np.float32))
        t.client.async_stream_infer("slow", [x])
    result, error = ended.get(timeout=0)
    assert error is None, error
    assert result.as_numpy("x_out").tolist() == [[1, 1]]


@checks.on("grpc")
async def a_stream_may_mix_models(t: Any) -> None:
    with stream(t) as ended:
        for rows, model in enumerate(("digits-torchscript", "digits-savedmodel"), 1):
            t.client.async_stream_infer(**request(t, model, rows))
        models = [t.head(ended.get(timeout=WAIT_S)[0]).model for _ in range(2)]
    assert models == ["digits-torchscript", "digits-savedmodel"]


@checks.on("grpc")
async def an_error_is_an_answer_and_the_stream_goes_on(t: Any) -> None:
    with stream(t) as ended:
        t.client.async_stream_infer(**request(t, "digits-onnx", 1))
        t.client.async_stream_infer(**request(t, "nobody", 2))
        t.client.async_stream_infer(**request(t, "digits-onnx", 65))
        t.client.async_stream_infer(**request(t, "digits-onnx", 4))
        answers = [ended.get(timeout=WAIT_S) for _ in range(4)]
    (first, none), (no_second, unknown), (no_third, too_many), (last, none_either) = answers
    assert none is None
    assert none_either is None
    expect_rows(t, first, 1)
    assert no_second is None
    assert "unknown model: 'nobody'" in unknown.message()
    assert no_third is None
    assert "batch-size must be <= 64" in too_many.message()
    expect_rows(t, last, 4)


@checks.on("grpc")
async def errors_end_the_stream_where_the_client_asks_for_that(t: Any) -> None:
    with stream(t, headers={"triton_grpc_error": "true"}) as ended:
        t.client.async_stream_infer(**request(t, "nobody", 1))
        result, error = ended.get(timeout=WAIT_S)
    assert result is None
    t.expect_error(error, 404, "unknown model: 'nobody'")


@checks.on("grpc")
async def a_stream_past_its_deadline_ends(t: Any) -> None:
    with stream(t, stream_timeout=0.1) as ended:
        x = t.input("x", np.ones((1, 2), np.float32))
        t.client.async_stream_infer("slow", [x])
        result, error = ended.get(timeout=WAIT_S)
        # The request's own end may come as an answer before that of the stream.
        while error is not None and error.status() is None:
            result, error = ended.get(timeout=WAIT_S)
    assert result is None
    t.expect_error(error, 504, "eadline")


@checks.on("grpc")
async def a_stream_can_be_cancelled_and_another_started(t: Any) -> None:
    ended: queue.Queue[Ended] = queue.Queue()
    t.client.start_stream(lambda result, error: ended.put((result, error)))
    x = t.input("x", np.ones((1, 2), np.float32))
    t.client.async_stream_infer("slow", [x])
    t.client.stop_stream(cancel_requests=True)
    result, error = ended.get(timeout=WAIT_S)
    assert result is None
    assert error.status() == "StatusCode.CANCELLED"
    with stream(t) as ended:
        t.client.async_stream_infer(**request(t, "digits-onnx", 1))
        expect_rows(t, ended.get(timeout=WAIT_S)[0], 1)


@checks.on("grpc")
async def a_stream_may_be_compressed_and_ask_for_a_final_mark(t: Any) -> None:
    with stream(t, compression_algorithm="gzip") as ended:
        asked = request(t, "digits-onnx", 8) | {"enable_empty_final_response": True}
        t.client.async_stream_infer(**asked)
        result, error = ended.get(timeout=WAIT_S)
    assert error is None, error
    expect_rows(t, result, 8)
    assert result.get_response().parameters["triton_final_response"].bool_param is True


async def _answers(t: Any, asked: AsyncIterator[dict[str, Any]], **options: Any) -> list[Ended]:
    return [pair async for pair in t.client.stream_infer(asked, **options)]


async def _requests(t: Any, *asked: tuple[str, int]) -> AsyncIterator[dict[str, Any]]:
    for model, rows in asked:
        yield request(t, model, rows)


@checks.on("grpc-aio")
async def an_aio_stream_answers_every_request_in_order(t: Any) -> None:
    asked = [("digits-onnx", rows) for rows in range(1, 21)]
    rows = 0
    async for result, error in t.client.stream_infer(_requests(t, *asked)):
        rows += 1
        assert error is None, error
        expect_rows(t, result, rows)
    assert rows == 20


@checks.on("grpc-aio")
async def an_error_is_an_answer_and_the_aio_stream_goes_on(t: Any) -> None:
    asked = (("digits-onnx", 1), ("nobody", 2), ("digits-onnx", 3))
    answers = await _answers(t, _requests(t, *asked))
    assert [error is None for _, error in answers] == [True, False, True]
    expect_rows(t, answers[0][0], 1)
    assert "unknown model: 'nobody'" in answers[1][1].message()
    expect_rows(t, answers[2][0], 3)


@checks.on("grpc-aio")
async def errors_end_the_aio_stream_where_the_client_asks_for_that(t: Any) -> None:
    headers = {"triton_grpc_error": "true"}
    error = await failure(_answers(t, _requests(t, ("nobody", 1)), headers=headers))
    assert isinstance(error, grpc.aio.AioRpcError), repr(error)
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "unknown model: 'nobody'" in (error.details() or "")


@checks.on("grpc-aio")
async def an_aio_stream_past_its_deadline_ends(t: Any) -> None:
    async def ask() -> AsyncIterator[dict[str, Any]]:
        yield request(t, "digits-onnx", 1)
        # Left open: only the deadline ends this stream.
        await asyncio.Event().wait()

    error = await failure(_answers(t, ask(), stream_timeout=0.1))
    assert isinstance(error, grpc.aio.AioRpcError), repr(error)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
