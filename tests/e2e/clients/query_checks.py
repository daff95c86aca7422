"""Health, metadata, configuration, index and statistics as tritonclient asks for them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tests.e2e.clients.registry import GRPC, HTTP, Checks

checks = Checks()

DIGITS = ("digits-torchscript", "digits-savedmodel", "digits-onnx")
PLATFORMS = {
    "digits-torchscript": "pytorch_libtorch",
    "digits-savedmodel": "tensorflow_savedmodel",
    "digits-onnx": "onnxruntime_onnx",
}


def numbers(shape: list[Any]) -> list[int]:
    """A shape as numbers: protobuf's JSON has 64-bit integers as strings."""
    return [int(size) for size in shape]


@checks.on()
async def the_server_is_live(t: Any) -> None:
    assert await t.call("is_server_live") is True


@checks.on()
async def the_server_is_ready(t: Any) -> None:
    assert await t.call("is_server_ready") is True


@checks.on()
async def health_is_told_with_headers_of_the_client(t: Any) -> None:
    assert await t.call("is_server_live", headers={"x-request-source": "test"}) is True


@checks.on()
async def models_are_ready_with_and_without_a_version(t: Any) -> None:
    for model in (*DIGITS, "language"):
        assert await t.call("is_model_ready", model) is True, model
        assert await t.call("is_model_ready", model, "1") is True, model


@checks.on()
async def unknown_failed_and_unpublished_models_are_not_ready(t: Any) -> None:
    assert await t.call("is_model_ready", "nobody") is False
    assert await t.call("is_model_ready", "broken") is False
    assert await t.call("is_model_ready", "digits-onnx", "2") is False


@checks.on()
async def server_metadata_names_the_server_and_its_extensions(t: Any) -> None:
    told = await t.ask("get_server_metadata")
    assert told["name"] == "underway"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", told["version"])
    assert {"binary_tensor_data", "classification", "statistics"} <= set(told["extensions"])


@checks.on()
async def model_metadata_tells_the_signature(t: Any) -> None:
    for model in DIGITS:
        for version in ("", "1"):
            told = await t.ask("get_model_metadata", model, version)
            assert told["name"] == model
            assert told["versions"] == ["1"]
            assert told["platform"] == PLATFORMS[model]
            (image,), (probabilities,) = told["inputs"], told["outputs"]
            assert (image["name"], image["datatype"]) == ("image", "FP32")
            assert numbers(image["shape"]) == [-1, 1, 8, 8]
            assert (probabilities["name"], probabilities["datatype"]) == ("probabilities", "FP32")
            assert numbers(probabilities["shape"]) == [-1, 10]


@checks.on()
async def metadata_of_strings_says_bytes(t: Any) -> None:
    told = await t.ask("get_model_metadata", "language")
    assert [one["datatype"] for one in told["inputs"]] == ["BYTES"]
    outputs = {one["name"]: one["datatype"] for one in told["outputs"]}
    assert outputs == {"label": "BYTES", "score": "FP32"}


@checks.on()
async def metadata_lists_every_ready_version(t: Any) -> None:
    told = await t.ask("get_model_metadata", "versions")
    assert told["versions"] == ["1", "2"]


@checks.on()
async def metadata_of_the_unknown_is_not_found(t: Any) -> None:
    unknown = "Request for unknown model: 'nobody' is not found"
    await t.refused(404, unknown, "get_model_metadata", "nobody")
    await t.refused(404, "version 7 is not found", "get_model_metadata", "digits-onnx", "7")
    await t.refused(404, unknown, "get_model_config", "nobody")
    await t.refused(404, unknown, "get_inference_statistics", "nobody")


@checks.on()
async def model_config_describes_the_model_without_its_batch_dimension(t: Any) -> None:
    for model in DIGITS:
        told = await t.ask("get_model_config", model, "1")
        config = told["config"] if t.is_grpc else told
        assert config["name"] == model
        assert config["platform"] == PLATFORMS[model]
        assert config["max_batch_size"] >= 16
        (image,) = config["input"]
        assert (image["name"], image["data_type"]) == ("image", "TYPE_FP32")
        assert numbers(image["dims"]) == [1, 8, 8]
        assert numbers(config["output"][0]["dims"]) == [10]


@checks.on()
async def the_index_lists_every_model_with_its_state_and_reason(t: Any) -> None:
    told = await t.ask("get_model_repository_index")
    entries = told["models"] if t.is_grpc else told
    states = {(one["name"], one.get("version", "")): one["state"] for one in entries}
    for model in (*DIGITS, "language"):
        assert states[(model, "1")] == "READY"
    assert states[("versions", "1")] == states[("versions", "2")] == "READY"
    assert states[("broken", "1")] == "UNAVAILABLE"
    (reason,) = [one["reason"] for one in entries if one["name"] == "broken"]
    assert "this one is out of order" in reason


@checks.on()
async def statistics_count_what_was_asked(t: Any) -> None:
    async def count(*arguments: str) -> int:
        told = await t.ask("get_inference_statistics", *arguments)
        found = [one for one in told["model_stats"] if one["name"] == "pairs"]
        assert len(found) == 1
        return int(found[0].get("inference_count", 0))

    before = await count("pairs", "1")
    x, y = np.zeros((3, 2), np.int32), np.zeros((3, 1), np.float64)
    await t.infer("pairs", t.input("x", x), t.input("y", y))
    assert await count("pairs", "1") == before + 3
    assert await count("pairs") == await count() == before + 3


@checks.on()
async def statistics_tell_durations_and_batches(t: Any) -> None:
    image = np.zeros((2, 1, 8, 8), np.float32)
    await t.infer("digits-onnx", t.input("image", image))
    told = await t.ask("get_inference_statistics", "digits-onnx", "1")
    (one,) = told["model_stats"]
    assert int(one["last_inference"]) > 1_600_000_000_000
    for part in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        assert int(one["inference_stats"][part]["count"]) >= 1, part
    assert int(one["inference_stats"]["success"]["ns"]) > 0
    assert 2 in [int(batch.get("batch_size", 0)) for batch in one["batch_stats"]]


@checks.on(*GRPC)
async def answers_come_as_messages_unless_json_is_asked(t: Any) -> None:
    told = await t.call("get_model_metadata", "digits-onnx")
    assert list(told.inputs[0].shape) == [-1, 1, 8, 8]
    config = (await t.call("get_model_config", "digits-onnx")).config
    assert list(config.input[0].dims) == [1, 8, 8]


@checks.on(*GRPC)
async def a_query_may_have_a_timeout(t: Any) -> None:
    assert await t.call("is_server_ready", client_timeout=30) is True
    assert (await t.ask("get_server_metadata", client_timeout=30))["name"] == "underway"


@checks.on(*HTTP)
async def unknown_query_parameters_do_no_harm(t: Any) -> None:
    told = await t.call("get_model_metadata", "digits-onnx", query_params={"a": "1", "b": ["2"]})
    assert told["name"] == "digits-onnx"
