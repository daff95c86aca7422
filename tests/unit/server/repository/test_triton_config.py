"""config.pbtxt: what is read, and what is refused by its name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.contract.messages import Batching, WarmupSample
from runtimes.contract.tensor import Datatype, TensorSpec
from server.repository.errors import RepositoryError
from server.repository.settings import ModelSettings, VersionPolicy
from server.repository.triton_config import parse_triton_config

PREFIX = "config.pbtxt: "
FULL = """
name: "m"
platform: "onnxruntime_onnx"
backend: "onnxruntime"
max_batch_size: 8
default_model_filename: "net.onnx"
input [
  { name: "image" data_type: TYPE_FP32 dims: [ 1, 8, 8 ] },
  { name: "mask" data_type: TYPE_BOOL dims: [ -1 ] optional: true }
]
output [ { name: "kind" data_type: TYPE_STRING dims: [ 2 ] label_filename: "kinds.txt" } ]
instance_group [ { name: "g" count: 2 kind: KIND_CPU } ]
dynamic_batching { max_queue_delay_microseconds: 100 }
version_policy: { latest { num_versions: 2 } }
parameters { key: "mode" value: { string_value: "fast" } }
model_transaction_policy { decoupled: false }
response_cache { enable: false }
model_warmup [
  {
    name: "w"
    batch_size: 4
    count: 3
    inputs { key: "image" value: { data_type: TYPE_FP32 dims: [ 1, 8, 8 ] random_data: true } }
  }
]
"""


def parse(text):
    return parse_triton_config(text, "m", lambda name: (f"labels of {name}",))


def refusal(text):
    with pytest.raises(RepositoryError) as caught:
        parse(text)
    reason = caught.value.reason
    assert reason.startswith(PREFIX)
    assert "\n" not in reason
    return reason.removeprefix(PREFIX)


def outcome(text):
    """The reason for which `text` is refused, or the prefix of all reasons where it is read."""
    try:
        assert isinstance(parse(text), ModelSettings)
    except RepositoryError as error:
        return error.reason
    return PREFIX


def test_every_supported_field_reaches_the_settings():
    assert parse(FULL) == ModelSettings(
        name="m",
        runtime="onnx",
        inputs=(
            TensorSpec("image", Datatype.FP32, (-1, 1, 8, 8)),
            TensorSpec("mask", Datatype.BOOL, (-1, -1), optional=True),
        ),
        outputs=(TensorSpec("kind", Datatype.BYTES, (-1, 2)),),
        max_batch_size=8,
        batching=Batching(100),
        version_policy=VersionPolicy(latest=2),
        workers=2,
        devices=("cpu",),
        default_artifact="net.onnx",
        options={"mode": "fast"},
        output_labels={"kind": ("labels of kinds.txt",)},
        warmup=(
            WarmupSample("w", (TensorSpec("image", Datatype.FP32, (4, 1, 8, 8)),), "random", 3),
        ),
    )


def test_an_empty_file_leaves_all_to_the_artifact():
    assert parse("") == ModelSettings(name="m", max_batch_size=None)


def test_without_a_batch_size_the_dims_are_the_whole_shape():
    settings = parse('input { name: "x" data_type: TYPE_INT64 dims: [ -1, 3 ] }')
    assert settings.max_batch_size == 0
    assert settings.inputs == (TensorSpec("x", Datatype.INT64, (-1, 3)),)


def test_an_empty_batching_block_turns_batching_on():
    assert parse("max_batch_size: 4 dynamic_batching {}").batching == Batching(0)


@pytest.mark.parametrize(
    ("text", "runtime"),
    [
        ('platform: "onnxruntime_onnx"', "onnx"),
        ('platform: "pytorch_libtorch"', "torchscript"),
        ('platform: "tensorflow_savedmodel"', "savedmodel"),
        ('backend: "onnxruntime"', "onnx"),
        ('backend: "pytorch"', "torchscript"),
        ('backend: "tensorflow"', "savedmodel"),
        ('backend: "tensorflow" platform: "tensorflow_savedmodel"', "savedmodel"),
        ("", ""),
    ],
)
def test_platform_and_backend_name_the_runtime(text, runtime):
    assert parse(text).runtime == runtime


@pytest.mark.parametrize("datatype", list(Datatype))
def test_every_datatype_has_its_word(datatype):
    word = "STRING" if datatype is Datatype.BYTES else datatype.value
    settings = parse(f'input {{ name: "x" data_type: TYPE_{word} dims: 1 }}')
    assert settings.inputs[0].datatype is datatype


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("", (1, ("auto",))),
        ("instance_group {}", (1, ("auto",))),
        ("instance_group { count: 3 }", (3, ("auto",))),
        ("instance_group { count: 2 kind: KIND_CPU }", (2, ("cpu",))),
        ("instance_group { kind: KIND_GPU }", (1, ("cuda:0",))),
        ("instance_group { kind: KIND_GPU gpus: [ 1 ] count: 2 }", (2, ("cuda:1",))),
        (
            "instance_group { gpus: [ 0, 2 ] count: 2 }",
            (4, ("cuda:0", "cuda:2", "cuda:0", "cuda:2")),
        ),
        (
            "instance_group [ { kind: KIND_CPU }, { kind: KIND_GPU gpus: 0 } ]",
            (2, ("cpu", "cuda:0")),
        ),
    ],
)
def test_instance_groups_become_workers_on_devices(groups, expected):
    settings = parse(groups)
    assert (settings.workers, settings.devices) == expected


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", VersionPolicy()),
        ("version_policy { latest {} }", VersionPolicy(latest=1)),
        ("version_policy { all {} }", VersionPolicy(latest=None)),
        (
            "version_policy { specific { versions: [3, 1] } }",
            VersionPolicy(latest=None, specific=(1, 3)),
        ),
    ],
)
def test_version_policies_are_read(text, policy):
    assert parse(text).version_policy == policy


UNSUPPORTED = [
    ("sequence_batching {}", "sequence_batching"),
    ("ensemble_scheduling { step { model_name: 'a' } }", "ensemble_scheduling"),
    ("optimization {}", "optimization"),
    ("runtime: 'x'", "runtime"),
    ("metric_tags { key: 'a' value: 'b' }", "metric_tags"),
    ("cc_model_filenames { key: 'a' value: 'b' }", "cc_model_filenames"),
    ("model_metrics {}", "model_metrics"),
    ("model_operations {}", "model_operations"),
    ("model_repository_agents {}", "model_repository_agents"),
    ("batch_input {}", "batch_input"),
    ("batch_output {}", "batch_output"),
    ("response_cache { enable: true }", "response_cache.enable"),
    ("model_transaction_policy { decoupled: true }", "model_transaction_policy.decoupled"),
    ("dynamic_batching { preferred_batch_size: 4 }", "dynamic_batching.preferred_batch_size"),
    ("dynamic_batching { priority_levels: 2 }", "dynamic_batching.priority_levels"),
    ("dynamic_batching { preserve_ordering: true }", "dynamic_batching.preserve_ordering"),
    ("dynamic_batching { default_queue_policy {} }", "dynamic_batching.default_queue_policy"),
    (
        "dynamic_batching { priority_queue_policy { key: 1 value {} } }",
        "dynamic_batching.priority_queue_policy",
    ),
    ("input { reshape { shape: 1 } }", "input[0].reshape"),
    ("input {} input { format: FORMAT_NCHW }", "input[1].format"),
    ("input { allow_ragged_batch: true }", "input[0].allow_ragged_batch"),
    ("input { is_shape_tensor: true }", "input[0].is_shape_tensor"),
    ("output { reshape {} }", "output[0].reshape"),
    ("instance_group { passive: true }", "instance_group[0].passive"),
    ("instance_group { rate_limiter {} }", "instance_group[0].rate_limiter"),
    ("instance_group { profile: 'a' }", "instance_group[0].profile"),
    (
        "model_warmup { inputs { key: 'x' value { input_data_file: 'f' } } }",
        "model_warmup[0].inputs['x'].input_data_file",
    ),
]


@pytest.mark.parametrize(("text", "field"), UNSUPPORTED)
def test_an_unsupported_field_is_refused_by_its_path(text, field):
    assert refusal(text) == f"field '{field}' is not supported"


def test_all_unsupported_fields_are_told_at_once():
    reason = refusal("optimization {} dynamic_batching { priority_levels: 2 } runtime: 'x'")
    for field in ("optimization", "dynamic_batching.priority_levels", "runtime"):
        assert f"field '{field}' is not supported" in reason


def test_very_many_unsupported_fields_are_cut_short():
    reason = refusal("input { allow_ragged_batch: true }\n" * 100)
    assert reason.endswith("and 80 more")


@pytest.mark.parametrize("fields", ["format: FORMAT_NONE", "allow_ragged_batch: false"])
def test_a_field_that_says_the_default_is_accepted(fields):
    assert parse(f'input {{ name: "x" data_type: TYPE_FP32 dims: 1 {fields} }}').inputs


def warmup(inner, head="max_batch_size: 4"):
    return f'{head} model_warmup {{ name: "w" {inner} }}'


ZERO = "inputs { key: 'x' value { data_type: TYPE_FP32 dims: 2 zero_data: true } }"
RANDOM = ZERO.replace("zero", "random").replace("'x'", "'y'")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: 'other'", "name is 'other', expected the folder's name 'm'"),
        ("platform: 'tensorrt_plan'", "platform 'tensorrt_plan' is not supported, only onnx"),
        ("backend: 'python'", "backend 'python' is not supported, only onnxruntime, pytorch"),
        ("backend: 'pytorch' platform: 'onnxruntime_onnx'", "name different runtimes"),
        ("max_batch_size: -1", "max_batch_size is -1, expected 0 or more"),
        ("max_batch_size: 2147483647", "expected 0 to 1048576"),
        ("default_model_filename: '../x'", "default_model_filename is '../x', expected 1 to 255"),
        ("default_model_filename: '/etc/passwd'", "default_model_filename is '/etc/passwd'"),
        ("input { name: 'x' dims: 1 }", "input[0].data_type is missing"),
        ("output { name: 'x' dims: 1 }", "output[0].data_type is missing"),
        ("input { name: 'x' data_type: TYPE_FP32 dims: -2 }", "input 'x' has shape [-2]"),
        ("input { name: 'x' data_type: TYPE_FP32 dims: 1 }" * 2, "'x' is given more than once"),
        ("input { name: 'x' data_type: TYPE_FP32 } dynamic_batching {}", "needs max_batch_size"),
        ("instance_group { kind: KIND_MODEL }", "instance_group[0].kind KIND_MODEL"),
        ("instance_group { kind: KIND_CPU gpus: 0 }", "instance_group[0].gpus: not with KIND_CPU"),
        ("instance_group { count: -1 }", "instance_group[0].count is -1, expected 1 to 64"),
        ("instance_group { count: 2147483647 }", "instance_group[0].count is 2147483647"),
        ("instance_group { gpus: -1 }", "instance_group[0].gpus: expected"),
        ("instance_group { count: 60 }" * 2, "instance_group[1] brings more than 64"),
        ("version_policy { specific {} }", "version_policy.specific.versions"),
        ("version_policy { specific { versions: 0 } }", "version_policy.specific.versions"),
        ("max_batch_size: 1 dynamic_batching { max_queue_delay_microseconds: 99999999999 }", "us"),
        (warmup(ZERO + RANDOM), "expected zero_data or random_data for all inputs, not both"),
        (warmup(ZERO.replace("zero_data: true", "")), "needs zero_data or random_data"),
        (warmup(ZERO.replace("dims: 2", "dims: -1")), "expected sizes of 0 or more"),
        (warmup("batch_size: 5 " + ZERO), "has 5 rows, expected at most 4"),
        (warmup("batch_size: 5 " + ZERO, ""), "batch_size 5 needs max_batch_size above 0"),
        (warmup("count: 4000000000 " + ZERO), "has count 4000000000, expected 1 to 1000"),
        ("input { data_type: TYPE_FP32 } " * 1025, "1025 inputs, expected at most 1024"),
        (warmup(""), "needs each input once, and at least one"),
    ],
)
def test_a_value_that_cannot_be_honoured_is_refused(text, reason):
    assert reason in refusal(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("foo: 1", 1),
        ('name: "m"\nmax_batchsize: 3', 2),
        ("name: 3", 1),
        ("\n\ninput [", 3),
        ("input { data_type: TYPE_FLOAT }", 1),
        ("max_batch_size: 99999999999", 1),
        ("name: 'a' name: 'b'", 1),
        ("[type.googleapis.com/x] { }", 1),
    ],
)
def test_a_parse_error_names_its_line(text, line):
    assert refusal(text).startswith(f"line {line}: ")


@given(st.text(max_size=30) | st.text(alphabet="name:{}[]\"' \n0_,.<>#", max_size=30))
def test_any_text_gives_settings_or_a_refusal(text):
    assert outcome(text).startswith(PREFIX)
