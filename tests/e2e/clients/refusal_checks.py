"""What this server does not offer: refused in words that say so, never half done."""

from __future__ import annotations

from typing import Any

from tests.e2e.clients.registry import GRPC, HTTP, Checks

checks = Checks()


@checks.on()
async def load_and_unload_are_refused_because_control_is_off(t: Any) -> None:
    words = "explicit model load / unload is not allowed"
    await t.refused(501, words, "load_model", "digits-onnx")
    await t.refused(501, words, "unload_model", "digits-onnx")
    await t.refused(501, words, "load_model", "nobody")
    assert await t.call("is_model_ready", "digits-onnx") is True


@checks.on()
async def load_with_a_config_and_files_is_refused_too(t: Any) -> None:
    await t.refused(
        501,
        "explicit model load / unload is not allowed",
        "load_model",
        "digits-onnx",
        config='{"max_batch_size": 4}',
        files={"file:1/model.onnx": b"\x00\x01"},
    )


@checks.on()
async def trace_settings_can_be_read(t: Any) -> None:
    for arguments in ((), ("digits-onnx",)):
        told = await t.ask("get_trace_settings", *arguments)
        settings = told["settings"] if t.is_grpc else told
        level = settings["trace_level"]
        assert (level["value"] if t.is_grpc else level) == ["OFF"]


@checks.on()
async def trace_settings_of_an_unknown_model_are_not_found(t: Any) -> None:
    await t.refused(404, "nobody", "get_trace_settings", "nobody")


@checks.on()
async def a_trace_update_that_changes_nothing_is_answered_with_the_settings(t: Any) -> None:
    same = {"trace_level": ["OFF"], "trace_rate": "1000", "trace_count": None}
    told = await t.ask("update_trace_settings", settings=same)
    settings = told["settings"] if t.is_grpc else told
    assert "trace_rate" in settings


@checks.on()
async def traces_that_have_nowhere_to_go_cannot_be_switched_on(t: Any) -> None:
    wish = {"trace_level": ["TIMESTAMPS"]}
    words = "trace setting 'trace_level' cannot be changed"
    await t.refused(501, words, "update_trace_settings", settings=wish)
    await t.refused(501, words, "update_trace_settings", "digits-onnx", settings=wish)
    await t.refused(400, "colour", "update_trace_settings", settings={"colour": "red"})


@checks.on(*HTTP)
async def log_settings_can_be_read(t: Any) -> None:
    settings = await t.call("get_log_settings")
    assert settings["log_info"] is True
    assert settings["log_verbose_level"] == 0


@checks.on(*GRPC)
async def log_settings_can_be_read_as_a_message(t: Any) -> None:
    settings = (await t.call("get_log_settings")).settings
    assert settings["log_info"].bool_param is True
    assert settings["log_verbose_level"].uint32_param == 0


@checks.on()
async def a_log_update_that_changes_nothing_is_answered_with_the_settings(t: Any) -> None:
    told = await t.ask("update_log_settings", {"log_info": True, "log_verbose_level": 0})
    assert "log_format" in (told["settings"] if t.is_grpc else told)


@checks.on()
async def a_log_update_that_cannot_be_is_refused(t: Any) -> None:
    words = "log setting 'log_file' cannot be changed"
    await t.refused(501, words, "update_log_settings", {"log_file": "x"})
    await t.refused(400, "colour", "update_log_settings", {"colour": True})


@checks.on()
async def there_are_no_shared_memory_regions(t: Any) -> None:
    for kind in ("system", "cuda"):
        told = await t.ask(f"get_{kind}_shared_memory_status")
        assert (told.get("regions", {}) if t.is_grpc else told) in ({}, [])


@checks.on()
async def an_unknown_shared_memory_region_is_not_found(t: Any) -> None:
    words = "Unable to find system shared memory region: 'mine'"
    await t.refused(404, words, "get_system_shared_memory_status", "mine")
    words = "Unable to find cuda shared memory region: 'mine'"
    await t.refused(404, words, "get_cuda_shared_memory_status", "mine")


@checks.on()
async def registering_shared_memory_is_refused(t: Any) -> None:
    words = "shared memory regions are not offered by this server"
    await t.refused(501, words, "register_system_shared_memory", "mine", "/mine", 64)
    handle = b"aGFuZGxl"
    await t.refused(501, words, "register_cuda_shared_memory", "mine", handle, 0, 64)


@checks.on()
async def unregistering_shared_memory_has_nothing_to_do(t: Any) -> None:
    # Clients do so before they register, to start clean.
    for kind in ("system", "cuda"):
        await t.call(f"unregister_{kind}_shared_memory")
        await t.call(f"unregister_{kind}_shared_memory", "mine")


@checks.on()
async def tensors_in_shared_memory_are_refused(t: Any) -> None:
    image = t.module.InferInput("image", [1, 1, 8, 8], "FP32")
    image.set_shared_memory("mine", 256)
    words = "shared memory regions are not offered by this server"
    await t.refused(501, words, "infer", "digits-onnx", [image])


@checks.on()
async def sequences_are_refused(t: Any) -> None:
    import numpy as np

    image = t.input("image", np.zeros((1, 1, 8, 8), np.float32))
    sequence = {"sequence_id": 7, "sequence_start": True}
    await t.refused(501, "sequences of requests", "infer", "digits-onnx", [image], **sequence)
