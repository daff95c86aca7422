"""A worker asked for CUDA is on CUDA; run where a GPU is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from runtimes.contract.messages import Batching
from runtimes.contract.tensor import Datatype, Tensor
from runtimes.runtime import LoadError

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _needs_a_gpu(request):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU")
    runtime = getattr(request.node, "callspec", None)
    runtime = runtime.params.get("runtime") if runtime else None
    if runtime == "onnx":
        import onnxruntime

        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            pytest.skip("this onnxruntime is built without CUDA")
    if runtime == "savedmodel":
        import tensorflow

        if not tensorflow.config.list_physical_devices("GPU"):
            pytest.skip("TensorFlow sees no GPU")


@pytest.mark.parametrize("runtime", ["torchscript", "savedmodel", "onnx"])
@pytest.mark.parametrize("device", ["auto", "cuda:0"])
def test_a_model_runs_on_the_gpu_and_answers_as_on_the_cpu(models, fp32, runtime, device):
    spec = models.two_way(runtime)
    model = models.load(replace(spec, device=device))
    assert model.device == "cuda:0"
    assert model.facts["probe"] == "passed"
    a, b = np.random.default_rng(3).standard_normal((2, 64, 2), dtype=np.float32)
    answers = model.infer([fp32("a", a), fp32("b", b)], ["total", "difference"])
    for answer, expected in zip(answers, (a * 3 + b, a * 3 - b), strict=True):
        found = np.frombuffer(answer.data, np.float32).reshape(64, 2)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("runtime", ["torchscript", "onnx"])
@pytest.mark.parametrize("datatype", [Datatype.BF16, Datatype.FP16, Datatype.BOOL, Datatype.INT64])
def test_a_tensor_comes_back_from_the_gpu_bit_for_bit(models, runtime, datatype):
    model = models.load(replace(models.identity(runtime, datatype), device="cuda:0"))
    size = {Datatype.BOOL: 1, Datatype.INT64: 8}.get(datatype, 2)
    data = bytes([1, 0]) * (3 * size)
    name, output = model.signature.inputs[0].name, model.signature.outputs[0].name
    (answer,) = model.infer([Tensor(name, datatype, (2, 3), data)], [output])
    assert bytes(answer.data) == data


@pytest.mark.parametrize("runtime", ["torchscript", "savedmodel", "onnx"])
def test_a_gpu_with_too_high_a_number_is_refused(models, runtime):
    with pytest.raises(LoadError, match="cuda:99"):
        models.load(replace(models.two_way(runtime), device="cuda:99"))


def test_torch_precision_decides_whether_tf32_is_used(models, build):
    import torch

    path = models.folder() / "model.pt"

    class Square(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ x

    item = '{"name": "%s", "datatype": "FP32", "shape": [512, 512]}'
    text = f'{{"inputs": [{item % "x"}], "outputs": [{item % "y"}]}}'
    build.torch(Square(), path, {"signature.json": text})
    spec = replace(models.two_way("torchscript"), artifact=str(path), device="cuda:0")
    x = np.random.default_rng(5).standard_normal((512, 512), dtype=np.float32)
    exact = x.astype(np.float64) @ x.astype(np.float64)
    errors = {}
    for precision in ("fp32", "tf32", "fp16"):
        model = models.load(replace(spec, precision=precision))
        (answer,) = model.infer([Tensor("x", Datatype.FP32, x.shape, x.tobytes())], ["y"])
        found = np.frombuffer(answer.data, np.float32).reshape(512, 512)
        errors[precision] = float(np.abs(found - exact).max())
    assert errors["fp32"] < 1e-3 < errors["tf32"] < 1
    assert errors["fp16"] < 1


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_recorded_graphs_answer_as_the_model_does(models, fp32, precision):
    spec = replace(
        models.two_way("torchscript"),
        device="cuda:0",
        precision=precision,
        max_batch_size=8,
        batching=Batching(allowed_sizes=(1, 4, 8)),
    )
    plain = models.load(spec)
    graphs = models.load(replace(spec, options={"cuda_graphs": True}))
    assert graphs.facts["CUDA graphs"] == "1, 4, 8"
    generator = np.random.default_rng(11)
    for rows in (1, 4, 8, 4, 1, 3):  # there is none for 3, which runs without
        a, b = generator.standard_normal((2, rows, 2), dtype=np.float32)
        given = [fp32("b", b), fp32("a", a)]
        answers = [model.infer(given, ["total", "difference"]) for model in (plain, graphs)]
        for expected, found in zip(*answers, strict=True):
            assert (found.name, found.shape) == (expected.name, expected.shape)
            assert bytes(found.data) == bytes(expected.data)


def test_an_answer_stays_as_it_was_when_its_graph_is_replayed(models, fp32):
    spec = replace(
        models.two_way("torchscript"),
        device="cuda:0",
        max_batch_size=1,
        batching=Batching(allowed_sizes=(1,)),
        options={"cuda_graphs": True},
    )
    model = models.load(spec)
    first = model.infer([fp32("a", [[1, 2]]), fp32("b", [[0, 0]])], ["total"])[0]
    model.infer([fp32("a", [[5, 5]]), fp32("b", [[0, 0]])], ["total"])
    assert np.frombuffer(first.data, np.float32).tolist() == [3, 6]
