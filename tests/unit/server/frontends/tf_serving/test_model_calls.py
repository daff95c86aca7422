"""Metadata, status and reloads without a transport: answers, codes and words."""

from __future__ import annotations

import pytest

from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as pb
from server.errors import (
    InvalidArgument,
    NotFound,
    ServingError,
    Unsupported,
)
from tests.unit.server.frontends.tf_serving.messages import MODEL, PREDICTION, spec_of
from tests.unit.server.frontends.tf_serving.serving_double import CLASSIFY


async def test_metadata_has_every_signature(ask):
    message = pb.GetModelMetadataRequest(
        model_spec=spec_of("signed"), metadata_field=["signature_def"]
    )

    answer = await ask(f"{PREDICTION}GetModelMetadata", message)

    assert answer.model_spec == spec_of("signed", version=3)
    packed = answer.metadata["signature_def"]
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    found = pb.SignatureDefMap.FromString(packed.value).signature_def
    assert set(found) == {"serving_default", "second", "to_classes", "to_values"}
    assert found["to_classes"].method_name == CLASSIFY
    info = found["second"].inputs["z"]
    assert (info.dtype, [dim.size for dim in info.tensor_shape.dim]) == (core.DT_INT32, [-1])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([], "GetModelMetadataRequest must specify at least one metadata_field"),
        (["x"], "Metadata field x is not supported"),
    ],
)
async def test_other_metadata_is_refused(ask, fields, words):
    message = pb.GetModelMetadataRequest(model_spec=spec_of("rows"), metadata_field=fields)
    with pytest.raises(InvalidArgument, match=words):
        await ask(f"{PREDICTION}GetModelMetadata", message)


async def status(ask, model: str, **spec) -> list[tuple[int, str, int, str]]:
    message = pb.GetModelStatusRequest(model_spec=spec_of(model, **spec))
    answer = await ask(f"{MODEL}GetModelStatus", message)
    return [
        (one.version, pb.ModelVersionStatus.State.Name(one.state), one.status.error_code,
         one.status.error_message)
        for one in answer.model_version_status
    ]  # fmt: skip


async def test_states_are_tensorflow_servings_newest_version_first(ask):
    assert await status(ask, "rows") == [
        (5, "LOADING", 0, ""),
        (4, "START", 2, "incomplete"),
        (3, "AVAILABLE", 0, ""),
        (2, "UNLOADING", 0, ""),
        (1, "END", 0, ""),
    ]


async def test_a_failure_is_told_in_status(ask):
    assert await status(ask, "broken") == [(1, "END", 2, "no such op")]


@pytest.mark.parametrize("spec", [{"version": 3}, {"version_label": "stable"}])
async def test_the_status_of_one_version_is_told(ask, spec):
    assert await status(ask, "rows", **spec) == [(3, "AVAILABLE", 0, "")]


@pytest.mark.parametrize(
    ("model", "spec", "kind", "words"),
    [
        ("nope", {}, NotFound, "Could not find any versions of model nope"),
        ("empty", {}, NotFound, "Could not find any versions of model empty"),
        ("rows", {"version": 9}, NotFound, "Could not find version 9 of model rows"),
        ("rows", {"version_label": "x"}, InvalidArgument, "Unrecognized servable version label: x"),
    ],
)
async def test_the_status_of_what_is_not_there_is_refused(ask, model, spec, kind, words):
    with pytest.raises(kind, match=words):
        await status(ask, model, **spec)


async def test_a_reload_replaces_all_models(ask, planes):
    message = pb.ReloadConfigRequest()
    message.config.model_config_list.config.add(
        name="a", base_path="/models/a", model_platform="tensorflow"
    )

    answer = await ask(f"{MODEL}HandleReloadConfigRequest", message)

    assert answer.status.error_code == 0
    ((model,),) = planes.replaced
    assert (model.name, model.base_path) == ("a", "/models/a")


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (lambda config: config.custom_model_config.SetInParent(), "Only ModelConfigList is"),
        (lambda config: config.model_config_list.config.add(name="a"), "base_path"),
        (lambda config: None, "expected model_config_list"),
    ],
)
async def test_a_config_that_is_none_is_refused(ask, planes, fill, words):
    message = pb.ReloadConfigRequest()
    fill(message.config)
    with pytest.raises(InvalidArgument, match=words):
        await ask(f"{MODEL}HandleReloadConfigRequest", message)
    assert planes.replaced == []


async def test_a_reload_that_fails_is_the_calls_error(ask, planes):
    planes.failure = Unsupported("the server has no model config")
    message = pb.ReloadConfigRequest()
    message.config.model_config_list.config.add(name="a", base_path="/models/a")
    with pytest.raises(ServingError, match="no model config"):
        await ask(f"{MODEL}HandleReloadConfigRequest", message)
