"""What holds for every runtime alike, on real models."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtimes.contract.tensor import ITEM_SIZE, Datatype, Tensor, TensorSpec, pack_bytes
from runtimes.registry import create_runtime
from runtimes.runtime import LoadError

FRAMEWORKS = ("torchscript", "savedmodel", "onnx")
RUNTIMES = (*FRAMEWORKS, "echo")
CARRIED = [
    (runtime, datatype)
    for runtime in RUNTIMES
    for datatype in Datatype
    if (runtime, datatype) != ("torchscript", Datatype.BYTES)
]
TEXTS = [b"", b"plain", "grüße".encode(), b"nul\0inside\0", b"x" * 300, b"\0"]


def _content(datatype: Datatype, count: int) -> bytes:
    if datatype is Datatype.BYTES:
        return pack_bytes((TEXTS * count)[:count])
    if datatype is Datatype.BOOL:
        return bytes(index % 2 for index in range(count))
    # Small bit patterns: no NaN in any float format, all bits of a byte in use.
    return (bytes(range(1, 120)) * count)[: ITEM_SIZE[datatype] * count]


def _echoed(models, runtime, datatype, shape, declared=None, data=None):
    spec = models.identity(runtime, datatype, declared or tuple(-1 for _ in shape))
    model = models.load(spec)
    name, output = model.signature.inputs[0].name, model.signature.outputs[0].name
    count = int(np.prod(shape, dtype=int))
    tensor = Tensor(name, datatype, shape, _content(datatype, count) if data is None else data)
    (answer,) = model.infer([tensor], [output])
    assert (answer.name, answer.datatype, tuple(answer.shape)) == (output, datatype, shape)
    assert len(answer.data) == len(memoryview(answer.data).cast("B"))
    return tensor, answer


@pytest.mark.parametrize(("runtime", "datatype"), CARRIED)
def test_a_tensor_comes_back_bit_for_bit(models, runtime, datatype):
    tensor, answer = _echoed(models, runtime, datatype, (2, 3))
    assert bytes(answer.data) == tensor.data


@pytest.mark.parametrize(("runtime", "datatype"), CARRIED)
def test_a_tensor_without_elements_comes_back(models, runtime, datatype):
    _, answer = _echoed(models, runtime, datatype, (0, 3))
    assert bytes(answer.data) == b""


@pytest.mark.parametrize(
    ("runtime", "datatype"),
    [
        item
        for item in CARRIED
        if item[1] in (Datatype.BOOL, Datatype.BF16, Datatype.FP32, Datatype.BYTES)
    ],
)
def test_a_scalar_comes_back(models, runtime, datatype):
    tensor, answer = _echoed(models, runtime, datatype, ())
    assert bytes(answer.data) == tensor.data


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_buffer_is_taken(models, runtime, kind):
    data = kind(_content(Datatype.FP32, 6))
    tensor, answer = _echoed(models, runtime, Datatype.FP32, (2, 3), data=data)
    assert bytes(answer.data) == bytes(tensor.data)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_buffer_need_not_be_aligned(models, runtime):
    data = memoryview(bytearray(1) + _content(Datatype.FP32, 6))[1:]
    tensor, answer = _echoed(models, runtime, Datatype.FP32, (2, 3), data=data)
    assert bytes(answer.data) == bytes(tensor.data)


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_any_byte_but_zero_is_true(models, runtime):
    _, answer = _echoed(models, runtime, Datatype.BOOL, (1, 3), data=bytes([0, 2, 255]))
    assert bytes(answer.data) == bytes([0, 1, 1])


def _direct(spec, a, b):
    """The framework called without us: {output: array}."""
    if spec.runtime == "torchscript":
        import torch

        found = torch.jit.load(spec.artifact)(torch.from_numpy(a), torch.from_numpy(b))
        return {name: value.detach().numpy() for name, value in found.items()}
    if spec.runtime == "savedmodel":
        import tensorflow as tf

        loaded = tf.saved_model.load(spec.artifact)
        found = loaded.signatures["serving_default"](a=tf.constant(a), b=tf.constant(b))
        return {name: value.numpy() for name, value in found.items()}
    import onnxruntime

    session = onnxruntime.InferenceSession(spec.artifact, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, {"a": a, "b": b}), strict=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_the_answer_is_the_frameworks_own(models, runtime):
    spec = models.two_way(runtime)
    generator = np.random.default_rng(7)
    a, b = generator.standard_normal((2, 5, 2), dtype=np.float32)
    inputs = [Tensor(n, Datatype.FP32, (5, 2), v.tobytes()) for n, v in (("a", a), ("b", b))]
    answers = models.load(spec).infer(inputs, ["difference", "total"])
    expected = _direct(spec, a, b)
    for answer in answers:
        assert bytes(answer.data) == expected[answer.name].tobytes()


@pytest.mark.parametrize("runtime", FRAMEWORKS)
@pytest.mark.parametrize("wanted", [["total"], ["difference", "total"], ["total", "difference"]])
def test_outputs_come_as_asked_whatever_the_order_of_inputs(models, fp32, runtime, wanted):
    model = models.load(models.two_way(runtime))
    inputs = [fp32("b", [[1, 2]]), fp32("a", [[10, 20]])]
    answers = model.infer(inputs, wanted)
    assert [answer.name for answer in answers] == wanted
    values = {"total": [31.0, 62.0], "difference": [29.0, 58.0]}
    for answer in answers:
        assert np.frombuffer(answer.data, np.float32).tolist() == values[answer.name]


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_the_signature_is_told_by_the_artifact(models, runtime):
    signature = models.load(models.two_way(runtime)).signature
    assert [(s.name, s.datatype, s.shape) for s in signature.inputs] == [
        ("a", Datatype.FP32, (-1, 2)),
        ("b", Datatype.FP32, (-1, 2)),
    ]
    assert {s.name for s in signature.outputs} == {"difference", "total"}


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_a_declared_order_of_outputs_is_kept(models, runtime):
    declared = tuple(TensorSpec(n, Datatype.FP32, (-1, 2)) for n in ("total", "difference"))
    model = models.load(replace(models.two_way(runtime), outputs=declared))
    assert [spec.name for spec in model.signature.outputs] == ["total", "difference"]


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_a_model_with_a_batch_dimension_takes_sixty_four_rows(models, runtime):
    assert models.load(models.two_way(runtime)).max_batch_size == 64


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_model_without_a_batch_dimension_says_so(models, runtime):
    assert models.load(models.identity(runtime, Datatype.FP32, (2, 3))).max_batch_size == 0


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_batching_a_model_without_a_batch_dimension_is_refused(models, runtime):
    spec = replace(models.identity(runtime, Datatype.FP32, (2, 3)), max_batch_size=8)
    with pytest.raises(LoadError, match="max_batch_size is 8, but input"):
        models.load(spec)


def test_strings_are_refused_by_pytorch_by_name(models):
    with pytest.raises(LoadError, match="'input' is BYTES, which PyTorch tensors cannot hold"):
        models.load(models.identity("torchscript", Datatype.BYTES))


@pytest.mark.parametrize("runtime", ["savedmodel", "onnx"])
@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (TensorSpec("z", Datatype.FP32, (-1, 2)), "'z' is declared, but the model's outputs are"),
        (TensorSpec("total", Datatype.FP64, (-1, 2)), "as FP64, but the model has FP32"),
        (TensorSpec("total", Datatype.FP32, (-1, 3)), r"\[-1, 3\], but the model has \[-1, 2\]"),
        (TensorSpec("total", Datatype.FP32, (-1,)), r"shape \[-1\], but the model has"),
    ],
)
def test_a_declaration_that_contradicts_the_artifact_is_refused(models, runtime, declared, message):
    with pytest.raises(LoadError, match=message):
        models.load(replace(models.two_way(runtime), outputs=(declared,)))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (TensorSpec("z", Datatype.FP32, (-1, 2)), "output 'z' is not in what forward returned"),
        (TensorSpec("total", Datatype.FP64, (-1, 2)), "came as torch.float32, .* says FP64"),
        (TensorSpec("total", Datatype.FP32, (-1, 3)), r"\[-1, 3\], but a trial run gave \[1, 2\]"),
    ],
)
def test_a_declaration_that_contradicts_a_torchscript_trial_run_is_refused(
    models, declared, message
):
    with pytest.raises(LoadError, match=message):
        models.load(replace(models.two_way("torchscript"), outputs=(declared,)))


def _assert_no_path(text: str, artifact: Path) -> None:
    assert str(artifact.parent.parent) not in text
    assert "site-packages" not in text
    assert "Traceback" not in text
    assert len(text) <= 800


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_a_corrupt_artifact_is_refused_with_a_reason(models, runtime):
    folder = models.folder()
    name = {"torchscript": "model.pt", "savedmodel": "saved_model.pb", "onnx": "model.onnx"}
    (folder / name[runtime]).write_bytes(b"garbage" * 300)
    artifact = folder if runtime == "savedmodel" else folder / name[runtime]
    spec = replace(models.two_way(runtime), artifact=str(artifact))
    reasons = {
        "torchscript": "failed finding central directory",
        "savedmodel": "Error parsing message",
        "onnx": "Protobuf parsing failed",
    }
    with pytest.raises(LoadError, match=reasons[runtime]) as caught:
        models.load(spec)
    _assert_no_path(str(caught.value), folder)


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_a_truncated_artifact_is_refused(models, runtime):
    source = Path(models.two_way(runtime).artifact)
    folder = models.folder()
    file = folder / ("saved_model.pb" if source.is_dir() else source.name)
    whole = (source / "saved_model.pb" if source.is_dir() else source).read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    artifact = folder if source.is_dir() else file
    with pytest.raises(LoadError) as caught:
        models.load(replace(models.two_way(runtime), artifact=str(artifact)))
    _assert_no_path(str(caught.value), folder)


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_a_missing_artifact_is_refused(models, runtime):
    folder = models.folder()
    artifact = folder if runtime == "savedmodel" else folder / "model.bin"
    with pytest.raises(LoadError, match=r"(?i)not exist|no such file") as caught:
        models.load(replace(models.two_way(runtime), artifact=str(artifact)))
    _assert_no_path(str(caught.value), folder)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_unknown_option_is_refused_by_name(models, runtime):
    spec = replace(models.identity(runtime, Datatype.FP32), options={"colour": "red"})
    with pytest.raises(LoadError, match=f"unknown option 'colour' for runtime '{runtime}'; known"):
        models.load(spec)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:-1", "cuda:x", "cpu:0", ""])
def test_an_unknown_device_is_refused(models, runtime, device):
    spec = replace(models.identity(runtime, Datatype.FP32), device=device)
    with pytest.raises(LoadError, match="expected 'auto', 'cpu' or 'cuda:N'"):
        models.load(spec)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_gpu_that_is_not_there_is_refused(models, runtime):
    spec = replace(models.identity(runtime, Datatype.FP32), device="cuda:99")
    with pytest.raises(LoadError, match="device 'cuda:99'"):
        models.load(spec)


@pytest.mark.skipif(os.path.exists("/dev/nvidia0"), reason="this machine has a GPU")  # noqa: PTH110
@pytest.mark.parametrize(
    ("runtime", "reason"),
    [
        ("torchscript", "PyTorch sees no GPU"),
        ("savedmodel", "TensorFlow sees no GPU"),
        ("onnx", "built without CUDA"),
        ("echo", "echo sees no GPU"),
    ],
)
def test_without_a_gpu_cuda_is_refused_and_auto_is_the_cpu(models, runtime, reason):
    spec = models.identity(runtime, Datatype.FP32)
    with pytest.raises(LoadError, match=reason):
        models.load(replace(spec, device="cuda:0"))
    assert models.load(replace(spec, device="auto")).device == "cpu"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_unknown_precision_is_refused(models, runtime):
    spec = replace(models.identity(runtime, Datatype.FP32), precision="fp8")
    with pytest.raises(LoadError, match="precision is 'fp8', expected one of fp32, tf32, fp16"):
        models.load(spec)


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_tf32_has_no_effect_on_a_cpu_and_says_so(models, runtime):
    model = models.load(replace(models.two_way(runtime), precision="tf32", device="cpu"))
    assert "no effect on a CPU" in model.facts["precision"]


@pytest.mark.parametrize("runtime", ["savedmodel", "onnx"])
def test_half_precision_is_refused_where_the_artifact_is_fixed(models, runtime):
    with pytest.raises(LoadError, match="Publish a half-precision artifact"):
        models.load(replace(models.two_way(runtime), precision="fp16"))


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_the_facts_name_the_framework_and_a_passed_probe(models, runtime):
    facts = models.load(models.two_way(runtime)).facts
    assert facts["probe"] == "passed"
    assert facts["framework"].split()[-1][0].isdigit()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_preload_may_be_called_again(runtime):
    created = create_runtime(runtime)
    created.preload()
    assert created.name == runtime
