"""Asks for a labelled version through one flavour of tritonclient; fails where an answer is wrong.

Usage: python labels.py FLAVOUR HOST:PORT

Model `named` has the versions 1, labelled `stable`, and 2.
"""

import asyncio
import faulthandler
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3]))


async def main(flavour: str, address: str) -> None:
    from tests.e2e.clients.flavour import Flavour

    t = Flavour(flavour, address)
    x = np.array([[1, 2]], np.float32)
    for version, answers in [("stable", "1"), ("", "2"), ("2", "2")]:
        result = await t.infer("named", t.input("x", x), model_version=version)
        assert t.head(result).version == answers
        np.testing.assert_array_equal(result.as_numpy("x_out"), x)
    assert await t.call("is_model_ready", "named", "stable") is True
    assert await t.call("is_model_ready", "named", "canary") is False
    assert (await t.ask("get_model_metadata", "named", "stable"))["versions"] == ["1", "2"]
    told = await t.ask("get_inference_statistics", "named", "stable")
    assert [one["version"] for one in told["model_stats"]] == ["1"]
    assert int(told["model_stats"][0]["inference_count"]) >= 1
    await t.ask("get_model_config", "named", "stable")
    words = "Request for unknown model: 'named' version label canary is not found"
    await t.refused(404, words, "get_model_metadata", "named", "canary")
    await t.refused(404, words, "infer", "named", [t.input("x", x)], model_version="canary")
    await t.close()


if __name__ == "__main__":
    faulthandler.dump_traceback_later(100, exit=True)
    asyncio.run(main(*sys.argv[1:]))
