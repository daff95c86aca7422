"""A model's configuration as clients of the protocol read it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf import json_format

from protos import model_config_pb2
from runtimes.contract.messages import Batching
from runtimes.contract.tensor import Datatype, Signature, TensorSpec
from server.frontends.open_inference.model_config import model_config
from server.planes import ModelMetadata
from server.repository.settings import ModelSettings, VersionPolicy

SETTINGS = ModelSettings("m", default_artifact="model.onnx", batching=Batching(250))
METADATA = ModelMetadata(
    name="m",
    version=3,
    versions=(3,),
    platform="onnxruntime_onnx",
    runtime="onnx",
    signature=Signature(
        (
            TensorSpec("image", Datatype.FP32, (-1, 1, 8, -1)),
            TensorSpec("text", Datatype.BYTES, (-1,), optional=True),
        ),
        (TensorSpec("y", Datatype.INT64, (-1, 10)),),
    ),
    max_batch_size=8,
    settings=SETTINGS,
)


def with_settings(**changes) -> ModelMetadata:
    return replace(METADATA, settings=replace(SETTINGS, **changes))


def test_a_batched_model_leaves_the_batch_dimension_out():
    config = model_config(METADATA)
    assert config["max_batch_size"] == 8
    assert config["input"] == [
        {
            "name": "image",
            "data_type": "TYPE_FP32",
            "dims": [1, 8, -1],
            "format": "FORMAT_NONE",
            "optional": False,
        },
        {
            "name": "text",
            "data_type": "TYPE_STRING",
            "dims": [1],
            "reshape": {"shape": []},
            "format": "FORMAT_NONE",
            "optional": True,
        },
    ]
    assert config["output"] == [{"name": "y", "data_type": "TYPE_INT64", "dims": [10]}]


def test_a_model_without_a_batch_keeps_all_dimensions():
    config = model_config(replace(METADATA, max_batch_size=0))
    assert [tensor["dims"] for tensor in config["input"]] == [[-1, 1, 8, -1], [-1]]
    assert "dynamic_batching" not in config


@pytest.mark.parametrize(
    ("runtime", "backend"),
    [
        ("onnx", "onnxruntime"),
        ("torchscript", "pytorch"),
        ("savedmodel", "tensorflow"),
        ("echo", "echo"),
    ],
)
def test_the_backend_is_the_word_clients_know(runtime, backend):
    assert model_config(replace(METADATA, runtime=runtime))["backend"] == backend


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (VersionPolicy(), {"latest": {"num_versions": 1}}),
        (VersionPolicy(latest=3), {"latest": {"num_versions": 3}}),
        (VersionPolicy(latest=None), {"all": {}}),
        (VersionPolicy(latest=None, specific=(1, 4)), {"specific": {"versions": [1, 4]}}),
    ],
)
def test_the_version_policy_is_told(policy, told):
    assert model_config(with_settings(version_policy=policy))["version_policy"] == told


@pytest.mark.parametrize(
    ("devices", "workers", "groups"),
    [
        (("auto",), 2, [{"name": "m_0", "count": 2, "kind": "KIND_AUTO"}]),
        (("cpu",), 1, [{"name": "m_0", "count": 1, "kind": "KIND_CPU"}]),
        (
            ("cuda:0", "cuda:2"),
            3,
            [
                {"name": "m_0", "count": 2, "kind": "KIND_GPU", "gpus": [0]},
                {"name": "m_1", "count": 1, "kind": "KIND_GPU", "gpus": [2]},
            ],
        ),
    ],
)
def test_workers_are_told_by_device(devices, workers, groups):
    config = model_config(with_settings(devices=devices, workers=workers))
    assert config["instance_group"] == groups


def test_dynamic_batching_is_told_where_it_is_configured():
    told = model_config(METADATA)["dynamic_batching"]
    assert told == {"max_queue_delay_microseconds": 250}
    assert "dynamic_batching" not in model_config(with_settings(batching=None))


@pytest.mark.parametrize("datatype", Datatype)
@pytest.mark.parametrize("max_batch_size", [0, 8])
def test_the_message_can_be_parsed_out_of_it(datatype, max_batch_size):
    spec = TensorSpec("x", datatype, (-1,))
    metadata = replace(
        METADATA, signature=Signature((spec,), (spec,)), max_batch_size=max_batch_size
    )
    message = json_format.ParseDict(model_config(metadata), model_config_pb2.ModelConfig())
    assert (message.name, message.max_batch_size) == ("m", max_batch_size)
    assert message.input[0].data_type != 0
