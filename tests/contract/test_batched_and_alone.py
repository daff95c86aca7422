"""A request is answered the same whether it ran alone or with others, padded or not.

Bit for bit where a model only moves data or treats each element by itself. Products of matrices may
be added up in another order when there are more rows: there the tolerance is TOLERANCE, relative.
"""

from __future__ import annotations

import numpy as np
import pytest

from runtimes.batching.buffers import BatchBuffers
from runtimes.batching.decide import Limits, waiting
from runtimes.contract.messages import Infer, ModelSpec, Result
from runtimes.contract.tensor import ITEM_SIZE, Datatype, Tensor, pack_bytes
from runtimes.execute import compute, prepare
from tests.contract.test_every_runtime import CARRIED, FRAMEWORKS

TOLERANCE = 1e-5
ROWS = (1, 2, 3)
WIDTH = 32


def _content(datatype: Datatype, rows: int, seed: int) -> bytes:
    generator = np.random.default_rng(seed)
    if datatype is Datatype.BYTES:
        # Elements of different lengths, empty ones among them.
        return pack_bytes([bytes([97 + seed]) * int(n) for n in generator.integers(0, 5, rows * 3)])
    if datatype is Datatype.BOOL:
        return generator.integers(0, 2, rows * 3, np.uint8).tobytes()
    # Bytes of 1 to 119 make no NaN in any float format.
    return generator.integers(1, 120, rows * 3 * ITEM_SIZE[datatype], np.uint8).tobytes()


def _answers(model, requests, limits, buffers):
    entries = [waiting(one, 0, batched=True) for one in requests]
    assert len({entry.key for entry in entries}) == 1
    endings = compute(model, prepare(entries, 0, limits, buffers.join), limits)
    assert all(isinstance(one, Result) for one in endings)
    return [
        [(one.name, one.datatype, tuple(one.shape), bytes(one.data)) for one in ending.outputs]
        for ending in endings
    ]


@pytest.mark.parametrize(("runtime", "datatype"), CARRIED)
@pytest.mark.parametrize("allowed", [(), (8,)], ids=["as it is", "filled up"])
def test_every_datatype_comes_back_alike(models, runtime, datatype, allowed, monkeypatch):
    monkeypatch.setattr("runtimes.batching.buffers.REUSED_FROM", 1)
    model, buffers = models.load(models.identity(runtime, datatype)), BatchBuffers()
    name, output = model.signature.inputs[0].name, model.signature.outputs[0].name
    requests = [
        Infer(rows, (Tensor(name, datatype, (rows, 3), _content(datatype, rows, rows)),))
        for rows in ROWS
    ]
    together = _answers(model, requests, Limits(8, 0, allowed), buffers)
    alone = [_answers(model, [one], Limits(), buffers)[0] for one in requests]

    assert together == alone
    assert [one[0] for one in together] == [
        (output, datatype, (rows, 3), _content(datatype, rows, rows)) for rows in ROWS
    ]


def _dense(models, build, runtime: str) -> ModelSpec:
    """y = relu(x @ w) for FP32 rows of WIDTH."""
    folder = models.folder()
    w = np.random.default_rng(1).standard_normal((WIDTH, WIDTH), dtype=np.float32)
    if runtime == "torchscript":
        import torch

        class Dense(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.w = torch.nn.Parameter(torch.from_numpy(w))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.relu(x @ self.w)

        item = f'{{"name": "%s", "datatype": "FP32", "shape": [-1, {WIDTH}]}}'
        text = f'{{"inputs": [{item % "x"}], "outputs": [{item % "y"}]}}'
        build.torch(Dense(), folder / "model.pt", {"signature.json": text})
        return ModelSpec("dense", 1, runtime, str(folder / "model.pt"))
    if runtime == "savedmodel":
        import tensorflow as tf

        weight = tf.Variable(w)
        spec = tf.TensorSpec([None, WIDTH], tf.float32, name="x")
        build.tf(lambda x: {"y": tf.nn.relu(x @ weight)}, [spec], folder, weight=weight)
        return ModelSpec("dense", 1, runtime, str(folder))
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Relu", ["p"], ["y"])]
    pair = [(name, TensorProto.FLOAT, ["n", WIDTH]) for name in ("x", "y")]
    weights = [numpy_helper.from_array(w, "w")]
    build.onnx(nodes, pair[:1], pair[1:], folder / "model.onnx", weights)
    return ModelSpec("dense", 1, runtime, str(folder / "model.onnx"))


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_products_of_matrices_are_alike_within_the_tolerance(models, build, runtime):
    model, buffers = models.load(_dense(models, build, runtime)), BatchBuffers()
    generator = np.random.default_rng(2)
    requests = [
        Infer(
            rows,
            (
                Tensor(
                    "x",
                    Datatype.FP32,
                    (rows, WIDTH),
                    generator.standard_normal((rows, WIDTH), dtype=np.float32).tobytes(),
                ),
            ),
        )
        for rows in ROWS
    ]
    for allowed in ((), (16,)):
        together = _answers(model, requests, Limits(16, 0, allowed), buffers)
        for joint, one in zip(together, requests, strict=True):
            alone = _answers(model, [one], Limits(), buffers)[0]
            assert joint[0][:3] == alone[0][:3]
            values = [np.frombuffer(answer[0][3], np.float32) for answer in (joint, alone)]
            np.testing.assert_allclose(*values, rtol=TOLERANCE, atol=TOLERANCE)
