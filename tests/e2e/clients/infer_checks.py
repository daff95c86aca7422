"""Inference of numbers through tritonclient: forms, selection, classes, ids, refusals."""

from __future__ import annotations

import asyncio
import queue
from typing import Any

import numpy as np

from tests.e2e.clients.query_checks import DIGITS
from tests.e2e.clients.registry import HTTP, Checks, failure

checks = Checks()

WAIT_S = 30


def images(count: int) -> np.ndarray:
    """Some different images, the same each time."""
    return np.random.default_rng(7).random((count, 1, 8, 8), np.float32)


def pair(t: Any, rows: int = 2) -> tuple[list[Any], np.ndarray, np.ndarray]:
    """Inputs of the model `pairs`, and their arrays."""
    x = np.arange(rows * 2, dtype=np.int32).reshape(rows, 2)
    y = np.linspace(-1, 1, rows).reshape(rows, 1)
    return [t.input("x", x), t.input("y", y)], x, y


@checks.on()
async def every_runtime_answers_probabilities(t: Any) -> None:
    for model in DIGITS:
        result = await t.infer(model, t.input("image", images(3)))
        probabilities = result.as_numpy("probabilities")
        assert probabilities.shape == (3, 10)
        assert probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
        assert t.head(result).model == model
        assert t.head(result).version == "1"
        assert t.head(result).outputs == ["probabilities"]


@checks.on()
async def rows_are_answered_each_for_itself(t: Any) -> None:
    together = await t.infer("digits-onnx", t.input("image", images(5)))
    for row, image in enumerate(images(5)):
        alone = await t.infer("digits-onnx", t.input("image", image[np.newaxis]))
        np.testing.assert_allclose(
            alone.as_numpy("probabilities")[0],
            together.as_numpy("probabilities")[row],
            atol=1e-6,
        )


@checks.on(*HTTP)
async def all_four_mixtures_of_json_and_binary_answer_the_same(t: Any) -> None:
    reference = (await t.infer("digits-onnx", t.input("image", images(2)))).as_numpy(
        "probabilities"
    )
    for binary_in in (True, False):
        for binary_out in (True, False):
            image = t.input("image", images(2), binary=binary_in)
            wanted = [t.output("probabilities", binary=binary_out)]
            result = await t.infer("digits-onnx", image, outputs=wanted)
            described = result.get_output("probabilities")
            assert ("data" in described) is not binary_out
            assert ("binary_data_size" in described.get("parameters", {})) is binary_out
            np.testing.assert_allclose(result.as_numpy("probabilities"), reference, atol=1e-6)


@checks.on(*HTTP)
async def one_request_may_mix_json_and_binary_tensors(t: Any) -> None:
    _, x, y = pair(t)
    wanted = [t.output("x_out", binary=False), t.output("y_out", binary=True)]
    inputs = (t.input("x", x, binary=True), t.input("y", y, binary=False))
    result = await t.infer("pairs", *inputs, outputs=wanted)
    np.testing.assert_array_equal(result.as_numpy("x_out"), x)
    np.testing.assert_array_equal(result.as_numpy("y_out"), y)


@checks.on()
async def all_outputs_come_when_none_is_named(t: Any) -> None:
    inputs, x, y = pair(t)
    result = await t.infer("pairs", *inputs)
    assert t.head(result).outputs == ["x_out", "y_out"]
    np.testing.assert_array_equal(result.as_numpy("x_out"), x)
    np.testing.assert_array_equal(result.as_numpy("y_out"), y)


@checks.on()
async def inputs_may_come_in_any_order(t: Any) -> None:
    inputs, x, y = pair(t)
    result = await t.infer("pairs", *reversed(inputs))
    np.testing.assert_array_equal(result.as_numpy("x_out"), x)
    np.testing.assert_array_equal(result.as_numpy("y_out"), y)


@checks.on()
async def only_the_named_outputs_come_in_the_order_named(t: Any) -> None:
    inputs, _, y = pair(t)
    result = await t.infer("pairs", *inputs, outputs=[t.output("y_out")])
    assert t.head(result).outputs == ["y_out"]
    assert result.as_numpy("x_out") is None
    np.testing.assert_array_equal(result.as_numpy("y_out"), y)
    result = await t.infer("pairs", *inputs, outputs=[t.output("y_out"), t.output("x_out")])
    assert t.head(result).outputs == ["y_out", "x_out"]
    np.testing.assert_array_equal(result.as_numpy("y_out"), y)


@checks.on()
async def a_version_may_be_named_and_the_newest_is_the_default(t: Any) -> None:
    x = t.input("x", np.ones((1, 2), np.float32))
    assert t.head(await t.infer("versions", x)).version == "2"
    assert t.head(await t.infer("versions", x, model_version="1")).version == "1"
    assert t.head(await t.infer("versions", x, model_version="2")).version == "2"
    await t.refused(404, "version 3 is not found", "infer", "versions", [x], "3")


@checks.on()
async def the_request_id_comes_back(t: Any) -> None:
    image = t.input("image", images(1))
    assert t.head(await t.infer("digits-onnx", image, request_id="a-17 ü")).id == "a-17 ü"
    assert t.head(await t.infer("digits-onnx", image)).id == ""


@checks.on()
async def class_count_gives_the_best_classes_with_value_and_index(t: Any) -> None:
    for model in DIGITS:
        image = t.input("image", images(2))
        values = (await t.infer(model, image)).as_numpy("probabilities")
        wanted = [t.output("probabilities", classes=3)]
        classes = (await t.infer(model, image, outputs=wanted)).as_numpy("probabilities")
        assert classes.shape == (2, 3)
        for row, entries in zip(values, classes, strict=True):
            told = [entry.decode().split(":") for entry in entries]
            assert [int(index) for _, index in told] == np.argsort(-row)[:3].tolist()
            best = [float(value) for value, _ in told]
            np.testing.assert_allclose(best, -np.sort(-row)[:3], atol=1e-5)


@checks.on(*HTTP)
async def classes_may_come_as_json(t: Any) -> None:
    wanted = [t.output("probabilities", classes=1, binary=False)]
    result = await t.infer("digits-onnx", t.input("image", images(1)), outputs=wanted)
    (entry,) = result.get_output("probabilities")["data"]
    assert len(entry.split(":")) == 2


@checks.on()
async def classes_carry_labels_where_the_model_has_them(t: Any) -> None:
    x = t.input("x", np.array([[0.25, 0.75, 0.5]], np.float32))
    result = await t.infer("labelled", x, outputs=[t.output("colour", classes=2)])
    entries = [entry.decode() for entry in result.as_numpy("colour")[0]]
    assert entries == ["0.750000:1:green", "0.500000:2:blue"]


@checks.on()
async def priority_timeout_and_parameters_of_every_type_are_taken(t: Any) -> None:
    result = await t.infer(
        "digits-onnx",
        t.input("image", images(1)),
        priority=2**63,
        timeout=60_000_000,
        parameters={"text": "ü", "number": 7, "flag": True},
    )
    assert result.as_numpy("probabilities").shape == (1, 10)


@checks.on()
async def headers_of_the_client_do_no_harm(t: Any) -> None:
    headers = {"x-request-source": "test"}
    result = await t.infer("digits-onnx", t.input("image", images(1)), headers=headers)
    assert result.as_numpy("probabilities").shape == (1, 10)


@checks.on()
async def no_rows_are_answered_with_no_rows(t: Any) -> None:
    for model in DIGITS:
        result = await t.infer(model, t.input("image", images(0)))
        assert result.as_numpy("probabilities").shape == (0, 10), model


@checks.on()
async def a_large_tensor_passes_both_ways(t: Any) -> None:
    x = np.arange(2**20, dtype=np.float32).reshape(-1, 2)
    result = await t.infer("versions", t.input("x", x))
    np.testing.assert_array_equal(result.as_numpy("x_out"), x)


@checks.on()
async def wrong_requests_are_refused_in_words_that_help(t: Any) -> None:
    image = t.input("image", images(1))
    flat = t.input("image", images(1).reshape(1, 64))
    double = t.input("image", images(1).astype(np.float64))
    stranger = t.input("photo", images(1))
    many = t.input("image", images(65))
    for status, words, model, inputs in (
        (404, "Request for unknown model: 'nobody' is not found", "nobody", [image]),
        (400, "unexpected shape for input 'image'", "digits-onnx", [flat]),
        (400, "data-type is 'FP64', but", "digits-onnx", [double]),
        (400, "unexpected inference input 'photo'", "digits-onnx", [stranger]),
        (400, "expected 1 inputs but got 0 inputs", "digits-onnx", []),
        (400, "given more than once", "digits-onnx", [image, image]),
        (400, "batch-size must be <= 64", "digits-onnx", [many]),
    ):
        await t.refused(status, words, "infer", model, inputs)
    wanted = [t.output("score")]
    await t.refused(
        400, "unexpected inference output 'score'", "infer", "digits-onnx", [image], outputs=wanted
    )
    assert (await t.infer("digits-onnx", image)).as_numpy("probabilities").shape == (1, 10)


@checks.on()
async def a_refusal_names_the_request_id(t: Any) -> None:
    flat = t.input("image", images(1).reshape(1, 64))
    words = "[request id: a-17]"
    await t.refused(400, words, "infer", "digits-onnx", [flat], request_id="a-17")


@checks.on()
async def a_model_that_failed_to_load_is_unavailable_or_unknown(t: Any) -> None:
    x = t.input("x", np.ones((1, 2), np.float32))
    await t.refused(503, "'broken'", "infer", "broken", [x])


@checks.on()
async def a_failing_model_is_an_internal_error_and_the_next_answer_is_good(t: Any) -> None:
    bad, good = (t.input("x", np.array([[v, v]], np.uint8)) for v in (66, 1))
    await t.refused(500, "echo was told to fail on this input", "infer", "moody", [bad])
    assert (await t.infer("moody", good)).as_numpy("x_out").tolist() == [[1, 1]]


@checks.on("http")
async def async_infer_has_several_requests_under_way(t: Any) -> None:
    asked = [
        t.client.async_infer("digits-onnx", [t.input("image", images(n))], request_id=str(n))
        for n in range(1, 9)
    ]
    for rows, one in enumerate(asked, 1):
        result = one.get_result()
        assert result.as_numpy("probabilities").shape == (rows, 10)
        assert t.head(result).id == str(rows)


@checks.on("http")
async def async_infer_raises_a_refusal_where_the_result_is_asked(t: Any) -> None:
    pending = t.client.async_infer("nobody", [t.input("image", images(1))])

    async def result() -> Any:
        return pending.get_result()  # only the thread that asked may wait for it

    t.expect_error(await failure(result()), 404, "unknown model: 'nobody'")


@checks.on("grpc")
async def async_infer_calls_back_with_result_or_error(t: Any) -> None:
    ended: queue.Queue[tuple[Any, Any]] = queue.Queue()
    for rows in range(1, 9):
        image = t.input("image", images(rows))
        t.client.async_infer(
            "digits-onnx", [image], lambda result, error: ended.put((result, error))
        )
    shapes = set()
    for _ in range(8):
        result, error = ended.get(timeout=WAIT_S)
        assert error is None, error
        shapes.add(result.as_numpy("probabilities").shape)
    assert shapes == {(rows, 10) for rows in range(1, 9)}
    image = t.input("image", images(1))
    t.client.async_infer("nobody", [image], lambda result, error: ended.put((result, error)))
    result, error = ended.get(timeout=WAIT_S)
    assert result is None
    t.expect_error(error, 404, "unknown model: 'nobody'")


@checks.on("http-aio", "grpc-aio")
async def many_requests_may_be_awaited_together(t: Any) -> None:
    asked = [t.infer("digits-onnx", t.input("image", images(n))) for n in range(1, 17)]
    for rows, result in enumerate(await asyncio.gather(*asked), 1):
        assert result.as_numpy("probabilities").shape == (rows, 10)
