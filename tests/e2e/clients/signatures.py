"""Asks a model by each of its signatures through tritonclient; fails where an answer is wrong.

Usage: python signatures.py REST-ADDRESS GRPC-ADDRESS

Model `sizes` is the TF1 export of tests/contract/saved_models.py, whose `x` is called `size`.
"""

import asyncio
import faulthandler
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3]))

NAMES = ["predict_scores", "regress_size", "serving_default"]


async def main(rest: str, grpc: str) -> None:
    from tests.e2e.clients.flavour import Flavour

    for flavour, address in (("http", rest), ("grpc", grpc)):
        t = Flavour(flavour, address)
        for binary in (True,) if t.is_grpc else (True, False):
            await answers(t, binary)
        await descriptions(t)
        await t.close()


async def answers(t, binary: bool) -> None:
    """Every way to ask, and what is said where it is the wrong one."""
    size = t.input("size", np.array([[3], [5]], np.float32), binary=binary)
    scores = t.output("scores", binary=binary)
    by_name = {"parameters": {"signature_name": "predict_scores"}, "outputs": [scores]}
    for _ in range(2):  # the second time by plan
        result = await t.infer("sizes", size, **by_name)
        np.testing.assert_array_equal(result.as_numpy("scores"), [[-3, 3], [-5, 5]])
    classes = by_name | {"outputs": [t.output("scores", binary=binary, classes=1)]}
    result = await t.infer("sizes", size, **classes)
    best = [str(one[0], "ascii") if binary else one[0] for one in result.as_numpy("scores")]
    assert best == ["3.000000:1", "5.000000:1"]
    words = "unexpected inference input 'size' for model 'sizes'"
    await t.refused(400, words, "infer", "sizes", [size])
    words = "model 'sizes' has no signature 'other'; it has 'serving_default', 'predict_scores'"
    unknown = {"parameters": {"signature_name": "other"}}
    await t.refused(400, words, "infer", "sizes", [size], **unknown)


async def descriptions(t) -> None:
    """The protocol's own fields are the default's; the others are told beside them."""
    metadata = await t.ask("get_model_metadata", "sizes")
    assert [one["name"] for one in metadata["inputs"]] == ["inputs"]
    if t.is_grpc:
        config = (await t.ask("get_model_config", "sizes"))["config"]["parameters"]
        told = json.loads(config["signatures"]["string_value"])
        assert config["default_signature"]["string_value"] == "serving_default"
    else:
        told, default = metadata["signatures"], metadata["default_signature"]
        assert default == "serving_default"
    assert sorted(told) == NAMES
    assert told["predict_scores"] == {
        "method_name": "tensorflow/serving/predict",
        "max_batch_size": 64,
        "inputs": [{"name": "size", "datatype": "FP32", "shape": [-1, 1]}],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 2]}],
    }
    assert told["regress_size"]["method_name"] == "tensorflow/serving/regress"


if __name__ == "__main__":
    faulthandler.dump_traceback_later(100, exit=True)
    asyncio.run(main(*sys.argv[1:]))
