"""Loads and unloads models through one flavour of tritonclient; fails where an answer is wrong.

Usage: python control.py FLAVOUR HOST:PORT

The server runs with --model-control explicit: `one` is a model that loads and is not loaded, and
`broken` one that does not load ("this one is out of order").
"""

import asyncio
import faulthandler
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))


async def index(t: Any) -> dict[str, str]:
    """State by model; of one version each."""
    told = await t.ask("get_model_repository_index")
    return {one["name"]: one.get("state", "") for one in (told["models"] if t.is_grpc else told)}


async def largest(t: Any) -> int:
    """The largest batch of model `one`."""
    told = await t.ask("get_model_config", "one")
    return int((told["config"] if t.is_grpc else told)["max_batch_size"])


async def main(flavour: str, address: str) -> None:
    from tests.e2e.clients.flavour import Flavour

    t = Flavour(flavour, address)
    assert set(await index(t)) >= {"one", "broken"}
    states = await index(t)
    assert "READY" not in (states["one"], states["broken"])
    assert await t.call("is_model_ready", "one") is False

    await t.call("load_model", "one")
    assert await t.call("is_model_ready", "one") is True
    assert (await index(t))["one"] == "READY"
    own = await largest(t)
    assert own != 4
    await t.call("load_model", "one")  # nothing has changed

    await t.call("load_model", "one", config='{"max_batch_size": 4}')
    assert await largest(t) == 4
    await t.call("load_model", "one")  # without it, the model's own settings are back
    assert await largest(t) == own

    await refusals(t)
    assert await t.call("is_model_ready", "one") is True

    await t.call("unload_model", "one")
    assert await t.call("is_model_ready", "one") is False
    assert (await index(t))["one"] == "UNAVAILABLE"
    await t.call("unload_model", "one", unload_dependents=True)  # it is gone already
    await t.call("unload_model", "nobody")
    await t.close()


async def refusals(t: Any) -> None:
    """Orders that cannot be followed leave everything as it was."""
    failed = "load failed for model '{}'".format
    await t.refused(400, failed("nobody"), "load_model", "nobody")
    await t.refused(400, failed("broken"), "load_model", "broken")
    await t.refused(400, "this one is out of order", "load_model", "broken")
    for config, words in [
        ("{", "not a model configuration"),
        ('{"max_batchsize": 4}', "max_batchsize"),
        ('{"backend": "fortran"}', "backend"),
        ('{"max_batch_size": -1}', "max_batch_size"),
    ]:
        await t.refused(400, words, "load_model", "one", config=config)
    files = {"file:1/model.onnx": b"content"}
    await t.refused(501, "file:1/model.onnx", "load_model", "one", config="{}", files=files)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(100, exit=True)
    asyncio.run(main(*sys.argv[1:]))
