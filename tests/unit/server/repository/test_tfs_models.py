"""A model config in TensorFlow Serving's words becomes ours, or is refused entry by entry."""

from __future__ import annotations

import contextlib

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from protos import tfs_config_pb2 as pb
from server.repository.errors import RepositoryError
from server.repository.served import ServedModel
from server.repository.settings import VersionPolicy
from server.repository.store_url import StoreUrl
from server.repository.tfs_models import MAX_MODELS, one_model, parse_models, served_models


def config(*entries: str) -> str:
    return f"model_config_list {{ {' '.join(f'config {{ {one} }}' for one in entries)} }}"


def parse(text: str) -> tuple[ServedModel, ...]:
    return parse_models(text, "models.config")[0]


def refused(text: str) -> str:
    with pytest.raises(RepositoryError) as error:
        parse(text)
    assert error.value.reason.startswith("models.config: ")
    return error.value.reason.removeprefix("models.config: ")


def test_an_entry_has_name_folder_platform_versions_and_labels():
    text = """
    # as its users write it
    model_config_list: {
      config: {
        name: "half_plus_two", base_path: "/models/half_plus_two/"
        model_platform: 'tensorflow'
        model_version_policy: { specific: { versions: 2, versions: 1, versions: 2 } }
        version_labels: { key: "stable" value: 1 } version_labels { key: "canary" value: 2 }
      }
      config { name: "other" base_path: "/srv/other" model_type: TENSORFLOW }
    }
    """

    assert parse(text) == (
        ServedModel(
            "half_plus_two", "/models/half_plus_two", "", VersionPolicy(None, (1, 2)),
            {"stable": 1, "canary": 2},
        ),
        ServedModel("other", "/srv/other"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ("", None),
        ("model_version_policy {}", None),
        ("model_version_policy { latest {} }", VersionPolicy(1)),
        ("model_version_policy { latest { num_versions: 3 } }", VersionPolicy(3)),
        ("model_version_policy { all {} }", VersionPolicy(None)),
        ("model_version_policy { specific { versions: 7 } }", VersionPolicy(None, (7,))),
    ],
)
def test_a_version_policy_is_one_of_ours_or_left_open(written, policy):
    (model,) = parse(config(f'name: "a" base_path: "/a" {written}'))

    assert model.policy == policy


@pytest.mark.parametrize("runtime", ["onnx", "torchscript", "savedmodel", "echo"])
def test_a_platform_may_be_a_runtime_of_ours(runtime):
    (model,) = parse(config(f'name: "a" base_path: "/a" model_platform: "{runtime}"'))

    assert model.platform == runtime


def test_an_empty_list_serves_nothing_and_an_empty_file_is_a_mistake():
    assert parse("model_config_list {}") == ()
    assert refused("").startswith("expected model_config_list")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ('base_path: "/a"', "config[0]: name: expected 1 to 128 of"),
        ('name: "../a" base_path: "/a"', "model '../a': name: expected"),
        ('name: "a"', "model 'a': base_path is '', expected an absolute path without '..'"),
        ('name: "a" base_path: "models/a"', "expected an absolute path"),
        ('name: "a" base_path: "/srv/../etc"', "expected an absolute path without '..'"),
        ('name: "a" base_path: "/a\\000b"', "none of them NUL"),
        (f'name: "a" base_path: "/{"a" * 5000}"', "at most 4096 characters"),
        ('name: "a" base_path: "hdfs://host/a"', "base_path: 'hdfs://' is no known store"),
        ('name: "a" base_path: "s3://key:secret@box/a"', "base_path: expected s3://BUCKET/PREFIX"),
        (f'name: "a" base_path: "{"s" * 3000}://x"', "...' is no known store"),
        ('name: "a" base_path: "/a" model_platform: "tflite"', "expected one of tensorflow, echo"),
        ('name: "a" base_path: "/a" model_type: OTHER', "model_type OTHER is not supported"),
        (
            'name: "a" base_path: "/a" model_version_policy { specific {} }',
            "model_version_policy.specific: expected 1 to 1000 versions",
        ),
        (
            'name: "a" base_path: "/a" model_version_policy { specific { versions: 0 } }',
            "model_version_policy.specific.versions: expected numbers of 1 or more",
        ),
        (
            'name: "a" base_path: "/a" version_labels { key: "1st" value: 1 }',
            "version_labels: '1st' is no label",
        ),
        (
            'name: "a" base_path: "/a" version_labels { key: "stable" value: -1 }',
            "version_labels: 'stable' is -1, expected a number of 1 or more",
        ),
        (
            'name: "a" base_path: "/a" '
            + "".join(f'version_labels {{ key: "l{i}" value: 1 }}' for i in range(33)),
            "33 version_labels, expected at most 32",
        ),
    ],
)
def test_a_wrong_entry_is_refused_by_what_is_wrong_in_it(entry, reason):
    assert reason in refused(config(entry))


def test_a_name_is_listed_once():
    twice = config('name: "a" base_path: "/a"', 'name: "a" base_path: "/b"')

    assert refused(twice) == "model 'a' is listed more than once"


def test_every_wrong_entry_is_told_but_not_without_end():
    reason = refused(config(*(f'name: "m{i}" base_path: "m{i}"' for i in range(30))))

    assert "'m0'" in reason
    assert reason.endswith("and 10 more")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model_config_list { conf { } }", 'line 1: Message type "tensorflow.serving.Model'),
        ("model_config_list {", "Expected"),
        ("\x00\x01", "Expected"),
        ("custom_model_config { type_url: 'x' }", "expected model_config_list"),
        ("{" * 10_000, "line 1: "),
        (
            "custom_model_config { " + "[a.b/google.protobuf.Any] { " * 5000,
            "nested too deeply",
        ),
        (config(*['name: "a" base_path: "/a"'] * (MAX_MODELS + 1)), "1001 models, expected at"),
    ],
    ids=["unknown", "cut off", "binary", "custom", "braces", "deep", "many"],
)
def test_a_hostile_text_is_refused_in_a_line(text, reason):
    said = refused(text)

    assert reason in said
    assert len(said) < 1000
    assert "\n" not in said


@given(st.binary(max_size=200))
def test_whatever_bytes_a_config_is_decoded_from_it_is_read_or_refused(data):
    message = pb.ModelServerConfig()
    with contextlib.suppress(DecodeError, RepositoryError):
        message.ParseFromString(data)
        assert all(isinstance(one, ServedModel) for one in served_models(message, "reload call"))


def test_what_has_no_effect_is_named():
    _, notes = parse_models(
        config('name: "a" base_path: "/a" logging_config { sampling_config { } }'), "models.config"
    )

    assert notes == ("model 'a': logging_config has no effect; requests are not kept",)


def test_one_model_needs_a_name_and_a_folder():
    assert one_model("a", "/a/") == ServedModel("a", "/a")
    with pytest.raises(RepositoryError, match="model-name: expected"):
        one_model("a b", "/a")
    assert one_model("a", "S3://bucket/a/") == ServedModel("a", "s3://bucket/a")
    with pytest.raises(RepositoryError, match="model-base-path: expected s3://BUCKET/PREFIX"):
        one_model("a", "s3://bucket/../a")


def test_a_base_path_may_be_in_an_object_store_and_has_one_spelling():
    (model,) = parse(config('name: "a" base_path: "gs://bucket/prod/a/"'))
    assert model.base_path == "gs://bucket/prod/a"
    assert model.location == StoreUrl("gs", "bucket", "prod/a")
