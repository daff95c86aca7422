"""What only ONNX models do: external data, ONNX Runtime's options, UTF-8 strings."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Datatype, Tensor, TensorSpec, pack_bytes
from runtimes.onnx_placement import CUDA, nodes_on_cpu, profiled, profiling
from runtimes.runtime import LoadError, ModelError

ROWS = ["n", 2]


def _external(location: str) -> onnx.TensorProto:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "8")):
        entry = weight.external_data.add()
        entry.key, entry.value = key, value
    return weight


@pytest.fixture
def publish(models, build):
    """Save y = x + w with `w` in a file at `location`; returns the spec and the version folder."""

    def make(location: str) -> tuple[ModelSpec, Path]:
        folder = models.folder()
        build.onnx(
            [helper.make_node("Add", ["x", "w"], ["y"])],
            [("x", TensorProto.FLOAT, ROWS)],
            [("y", TensorProto.FLOAT, ROWS)],
            folder / "model.onnx",
            [_external(location)],
        )
        return ModelSpec("m", 1, "onnx", str(folder / "model.onnx")), folder

    return make


WEIGHT = np.array([1, 2], np.float32).tobytes()


@pytest.mark.parametrize("location", ["w.bin", "sub/w.bin", "./w.bin"])
def test_external_data_inside_the_version_folder_is_loaded(models, publish, fp32, location):
    spec, folder = publish(location)
    (folder / location).parent.mkdir(exist_ok=True)
    (folder / location).write_bytes(WEIGHT)
    (answer,) = models.load(spec).infer([fp32("x", [[10, 20]])], ["y"])
    assert np.frombuffer(answer.data, np.float32).tolist() == [11.0, 22.0]


def test_missing_external_data_fails_the_load_by_name(models, publish):
    spec, _ = publish("w.bin")
    with pytest.raises(LoadError, match=r"external data 'w.bin' is missing: No such file"):
        models.load(spec)


@pytest.mark.parametrize("location", ["../w.bin", "sub/../../w.bin", "/tmp/w.bin", ""])
def test_external_data_outside_of_the_version_folder_is_refused(models, publish, location):
    spec, folder = publish(location)
    (folder.parent / "w.bin").write_bytes(WEIGHT)
    with pytest.raises(LoadError, match="lies outside of the version folder"):
        models.load(spec)


def test_onnx_runtimes_tag_for_memory_addresses_is_no_location(models, publish):
    spec, _ = publish("*/_ORT_MEM_ADDR_/*")
    with pytest.raises(LoadError, match="external data"):
        models.load(spec)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_external_data_that_is_a_link_is_refused(models, publish, link):
    spec, folder = publish("w.bin")
    (folder.parent / "elsewhere.bin").write_bytes(WEIGHT)
    link(folder.parent / "elsewhere.bin", folder / "w.bin")
    with pytest.raises(LoadError, match=r"'w.bin' is a link or not a regular file"):
        models.load(spec)


def test_external_data_under_a_linked_folder_is_refused(models, publish):
    spec, folder = publish("sub/w.bin")
    (folder.parent / "real").mkdir()
    (folder.parent / "real" / "w.bin").write_bytes(WEIGHT)
    (folder / "sub").symlink_to(folder.parent / "real")
    with pytest.raises(LoadError, match=r"'sub/w.bin' is a link or not a regular file"):
        models.load(spec)


def test_a_version_folder_may_itself_be_a_link(models, publish, tmp_path):
    spec, folder = publish("w.bin")
    (folder / "w.bin").write_bytes(WEIGHT)
    (tmp_path / "1").symlink_to(folder)
    assert models.load(replace(spec, artifact=str(tmp_path / "1" / "model.onnx")))


def test_an_external_tensor_inside_a_subgraph_is_found(models, build):
    branch = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["b"])],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, [2])],
        [_external("../w.bin")],
    )
    folder = models.folder()
    build.onnx(
        [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)],
        [("c", TensorProto.BOOL, [])],
        [("y", TensorProto.FLOAT, [2])],
        folder / "model.onnx",
    )
    with pytest.raises(LoadError, match=r"'../w.bin' lies outside"):
        models.load(ModelSpec("m", 1, "onnx", str(folder / "model.onnx")))


def test_an_unknown_operator_is_named(models, build):
    path = models.folder() / "model.onnx"
    pair = [(name, TensorProto.FLOAT, ROWS) for name in "xy"]
    build.onnx([helper.make_node("Frobnicate", ["x"], ["y"])], pair[:1], pair[1:], path)
    with pytest.raises(LoadError, match="No Op registered for Frobnicate"):
        models.load(ModelSpec("m", 1, "onnx", str(path)))


def test_a_sequence_output_is_refused_by_name(models, build):
    path = models.folder() / "model.onnx"
    build.onnx(
        [helper.make_node("SequenceLength", ["s"], ["n"])],
        [],
        [("n", TensorProto.INT64, [])],
        path,
    )
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, [2]))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(LoadError, match=r"'s' is seq\(tensor\(float\)\), which no request"):
        models.load(ModelSpec("m", 1, "onnx", str(path)))


def _unranked(models, build) -> ModelSpec:
    path = models.folder() / "model.onnx"
    pair = [(name, TensorProto.FLOAT, None) for name in "xy"]
    build.onnx([helper.make_node("Identity", ["x"], ["y"])], pair[:1], pair[1:], path)
    return ModelSpec("m", 1, "onnx", str(path))


def test_an_unknown_rank_asks_for_a_declared_shape(models, build):
    with pytest.raises(LoadError, match="does not tell the rank of input 'x'"):
        models.load(_unranked(models, build))


def test_a_declared_shape_stands_in_for_an_unknown_rank(models, build, fp32):
    declared = [(TensorSpec(name, Datatype.FP32, (-1, 2)),) for name in "xy"]
    spec = replace(_unranked(models, build), inputs=declared[0], outputs=declared[1])
    assert models.load(spec).infer([fp32("x", [[1, 2]])], ["y"])[0].shape == (1, 2)


def test_a_string_that_is_not_utf8_is_refused_by_name(models):
    model = models.load(models.identity("onnx", Datatype.BYTES, (-1,)))
    tensor = Tensor("x", Datatype.BYTES, (2,), pack_bytes([b"fine", b"\xff\xfe"]))
    with pytest.raises(ModelError, match="input 'x' has an element that is not UTF-8"):
        model.infer([tensor], ["y"])


@pytest.mark.parametrize(
    "options",
    [
        {"graph_optimization_level": "disabled", "enable_mem_pattern": False},
        {"enable_cpu_mem_arena": "false", "use_deterministic_compute": "true"},
        {"allow_spinning": False, "gpu_mem_limit": "1000000"},
    ],
)
def test_known_options_are_taken(models, options):
    spec = replace(models.two_way("onnx"), options=options, device="cpu")
    assert models.load(spec).device == "cpu"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"graph_optimization_level": "most"}, "expected one of disabled, basic, extended, all"),
        ({"enable_mem_pattern": "perhaps"}, "expected true or false"),
    ],
)
def test_an_option_out_of_range_is_refused(models, options, message):
    with pytest.raises(LoadError, match=message):
        models.load(replace(models.two_way("onnx"), options=options))


def test_profiling_tells_where_nodes_ran(models):
    settings = ort.SessionOptions()
    with profiling(settings):
        session = ort.InferenceSession(
            models.two_way("onnx").artifact, settings, ["CPUExecutionProvider"]
        )
        session.run(None, {name: np.zeros((1, 2), np.float32) for name in "ab"})
        nodes = profiled(session)
    assert nodes == Counter(CPUExecutionProvider=3)
    assert not settings.enable_profiling


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ({}, "unknown"),
        ({"CUDAExecutionProvider": 7}, "0/7"),
        ({"CUDAExecutionProvider": 7, "CPUExecutionProvider": 2}, "2/9"),
    ],
)
def test_nodes_left_on_the_cpu_are_told(nodes, told):
    assert nodes_on_cpu(Counter(nodes)) == told


def test_a_model_with_no_node_on_cuda_is_refused():
    with pytest.raises(LoadError, match="none of the model's 3 nodes can run on CUDA"):
        nodes_on_cpu(Counter(CPUExecutionProvider=3))


def test_a_request_on_which_a_node_fails_gives_a_reason_without_source_paths(models, fp32):
    model = models.load(models.two_way("onnx"))
    with pytest.raises(ModelError, match="2 by 3") as caught:
        model.infer([fp32("a", [[1, 2]] * 2), fp32("b", [[1, 2]] * 3)], ["total"])
    assert ".h" not in str(caught.value)
    assert "/" not in str(caught.value)


def test_without_a_driver_cuda_is_not_even_tried(models, monkeypatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CUDA])
    monkeypatch.setattr("runtimes.onnx_placement.has_driver", lambda: False)
    monkeypatch.setattr(
        "onnxruntime.preload_dlls", lambda: pytest.fail("libraries are loaded"), raising=False
    )
    spec = models.identity("onnx", Datatype.FP32)

    assert models.load(replace(spec, device="auto")).device == "cpu"
    with pytest.raises(LoadError, match=r"'cuda:0' cannot be used: NVIDIA's driver .* not there"):
        models.load(replace(spec, device="cuda:0"))
