"""model.yaml: what it may say, and how its mistakes are told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.contract.messages import Batching, WarmupSample
from runtimes.contract.tensor import Datatype, TensorSpec
from server.repository import model_file
from server.repository.errors import RepositoryError
from server.repository.model_yaml import parse_model_yaml
from server.repository.settings import ModelSettings, Precision, SwapPolicy, VersionPolicy

PREFIX = "model.yaml: "
FULL = """
runtime: onnx
inputs:
  - {name: image, datatype: FP32, shape: [-1, 1, 8, 8]}
  - {name: mask, datatype: BOOL, shape: [-1], optional: true}
outputs:
  - {name: probabilities, datatype: FP32, shape: [-1, 10], labels: [zero, one]}
  - {name: kind, datatype: FP32, shape: [-1, 2], labels_file: kinds.txt}
max_batch_size: 8
batching: {max_queue_delay_us: 500}
version_policy: {latest: 2}
labels: {stable: 3, canary-1: 4}
swap: replace
keep_previous: true
required: true
footprint_bytes: 1000000
workers: {count: 4, devices: [cpu, "cuda:0"]}
threads: 2
precision: tf32
artifact: net.onnx
options: {gpu_mem_limit: 1000, arena: true, ratio: 0.5, mode: fast}
warmup:
  - name: full
    batch_size: 8
    count: 3
    fill: random
    inputs: [{name: image, datatype: FP32, shape: [-1, 1, 8, 8]}]
"""
EXAMPLES = [
    "",
    "{}",
    FULL,
    "workers: 2\ndevice: cuda:1",
    "version_policy: all",
    "version_policy: latest",
    "version_policy: {specific: [1, 3]}",
    "max_batch_size: 0\nbatching:",
    "runtime: echo\nworkers: {count: 2}",
    "workers: {devices: ['cuda:0', 'cuda:1']}",
    "labels: {stable: 1}\nswap: surge",
]


def parse(text):
    return parse_model_yaml(text, "m", lambda name: (f"labels of {name}",))


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


def test_every_field_reaches_the_settings():
    assert parse(FULL) == ModelSettings(
        name="m",
        runtime="onnx",
        inputs=(
            TensorSpec("image", Datatype.FP32, (-1, 1, 8, 8)),
            TensorSpec("mask", Datatype.BOOL, (-1,), optional=True),
        ),
        outputs=(
            TensorSpec("probabilities", Datatype.FP32, (-1, 10)),
            TensorSpec("kind", Datatype.FP32, (-1, 2)),
        ),
        max_batch_size=8,
        batching=Batching(500),
        version_policy=VersionPolicy(latest=2),
        workers=4,
        devices=("cpu", "cuda:0"),
        threads=2,
        precision=Precision.TF32,
        default_artifact="net.onnx",
        options={"gpu_mem_limit": 1000, "arena": True, "ratio": 0.5, "mode": "fast"},
        output_labels={"probabilities": ("zero", "one"), "kind": ("labels of kinds.txt",)},
        warmup=(
            WarmupSample("full", (TensorSpec("image", Datatype.FP32, (8, 1, 8, 8)),), "random", 3),
        ),
        labels={"stable": 3, "canary-1": 4},
        swap=SwapPolicy.REPLACE,
        keep_previous=True,
        required=True,
        footprint_bytes=1_000_000,
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "null"])
def test_an_empty_file_means_the_defaults(text):
    assert parse(text) == ModelSettings(name="m")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("workers: 3", (3, ("auto",))),
        ("device: cuda:1", (1, ("cuda:1",))),
        ("workers: 2\ndevice: cpu", (2, ("cpu",))),
        ("workers: {count: 2}\ndevice: cpu", (2, ("cpu",))),
        ("workers: {devices: ['cuda:0', 'cuda:1']}", (2, ("cuda:0", "cuda:1"))),
        ("workers: {count: 5, devices: ['cuda:0', 'cuda:1']}", (5, ("cuda:0", "cuda:1"))),
        ("workers: {}", (1, ("auto",))),
    ],
)
def test_workers_and_devices_may_be_said_in_several_ways(text, expected):
    settings = parse(text)
    assert (settings.workers, settings.devices) == expected


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("version_policy: all", VersionPolicy(latest=None)),
        ("version_policy: latest", VersionPolicy(latest=1)),
        ("version_policy: {latest: 3}", VersionPolicy(latest=3)),
        ("version_policy:\n  latest: 3", VersionPolicy(latest=3)),
        ("version_policy: {specific: [3, 1, 3]}", VersionPolicy(latest=None, specific=(1, 3))),
    ],
)
def test_a_version_policy_may_be_a_word_or_a_mapping(text, policy):
    assert parse(text).version_policy == policy


def test_options_keep_their_types():
    options = parse("options: {a: true, b: 1, c: 1.0, d: '1'}").options
    assert [type(value) for value in options.values()] == [bool, int, float, str]


INPUT = "inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("max_batchsize: 3", "max_batchsize: unknown, did you mean max_batch_size?"),
        ("batching: {max_queue_delay: 3}", "batching.max_queue_delay: unknown, did you mean"),
        ("zzz: 1", "zzz: unknown; known here: runtime, inputs"),
        ("workers: {cout: 1}", "workers.cout: unknown, did you mean count?"),
        ("inputs: [{nam: x, datatype: FP32, shape: []}]", "inputs[0].name: required, but missing"),
        ("inputs: [{nam: x, datatype: FP32, shape: []}]", "inputs[0].nam: unknown, did you mean"),
        ("warmup: [{name: a, inputs: [{shap: []}]}]", "warmup[0].inputs[0].shap: unknown, did"),
        ("inputs: [{name: x, datatype: float32, shape: []}]", "inputs[0].datatype: expected one"),
        ("inputs: [{name: x, datatype: FP32, shape: [a]}]", "shape[0]: expected an integer, got"),
        ("inputs: [{name: x, datatype: FP32, shape: [true]}]", "expected an integer, got true"),
        ("inputs: [{name: x, datatype: FP32, shape: [-2]}]", "shape[0]: expected at least -1"),
        ("inputs: [{name: '', datatype: FP32, shape: []}]", "inputs[0].name: expected at least 1"),
        ("inputs: {x: FP32}", "inputs: expected a list, got a mapping"),
        ("inputs:", "inputs: expected a list, got nothing"),
        (
            f"inputs: [{{name: x, datatype: FP32, shape: {[1] * 17}}}]",
            "inputs[0].shape: expected at most 16 entries",
        ),
        (INPUT + "max_batch_size: '3'", "max_batch_size: expected an integer, got '3'"),
        ("max_batch_size: -1", "max_batch_size: expected at least 0, got -1"),
        ("max_batch_size: 1.0", "max_batch_size: expected an integer"),
        (f"max_batch_size: {'9' * 50}", "max_batch_size: expected at most 1048576"),
        ("runtime: tensorrt", "runtime: expected one of echo, onnx, savedmodel or torchscript"),
        ("workers: two", "workers: expected an integer or a mapping of count and devices"),
        ("workers: 0", "workers: expected at least 1, got 0"),
        ("workers: 100000", "workers: expected at most 64"),
        ("workers: true", "workers: expected an integer or a mapping"),
        ("workers: {devices: []}", "workers.devices: expected at least 1 entry"),
        ("workers: {devices: [gpu]}", "workers.devices[0]: expected auto, cpu or cuda:N"),
        ("workers: {count: 1, devices: [cpu, auto]}", "at least one worker per device"),
        ("device: cuda", "device: expected auto, cpu or cuda:N, got 'cuda'"),
        ("device: cuda:01", "device: expected auto, cpu or cuda:N"),
        ("device: cpu\nworkers: {devices: [cpu]}", "device and workers.devices exclude"),
        ("version_policy: some", "version_policy: expected one of all or latest, got 'some'"),
        ("version_policy: 3", "version_policy: expected 'all', 'latest' or a mapping"),
        ("version_policy: {}", "exactly one of latest and specific"),
        ("version_policy: {latest: 1, specific: [1]}", "exactly one of latest and specific"),
        ("version_policy: {latest: 0}", "version_policy.latest: expected at least 1"),
        ("version_policy: {specific: [0]}", "version_policy.specific[0]: expected at least 1"),
        (f"version_policy: {{specific: [{2**63}]}}", "specific[0]: expected at most"),
        ("labels: {1a: 3}", "labels.1a: expected 1 to 64 of"),
        ("labels: {a/b: 3}", "labels.a/b: expected 1 to 64 of"),
        (f"labels: {{{'a' * 65}: 3}}", "expected 1 to 64 of"),
        ("labels: {stable: 0}", "labels.stable: expected at least 1"),
        ("labels: {stable: latest}", "labels.stable: expected an integer, got 'latest'"),
        (
            "labels: {" + ",".join(f"a{n}: 1" for n in range(33)) + "}",
            "labels: expected at most 32",
        ),
        ("swap: now", "swap: expected one of surge or replace, got 'now'"),
        ("required: 1", "required: expected true or false"),
        ("keep_previous: 1", "keep_previous: expected true or false"),
        ("footprint_bytes: 0", "footprint_bytes: expected at least 1"),
        (f"footprint_bytes: {2**60}", "footprint_bytes: expected at most"),
        ("precision: bf16", "precision: expected one of fp32, tf32 or fp16, got 'bf16'"),
        ("threads: 0", "threads: expected at least 1"),
        ("artifact: ../../etc/passwd", "artifact: expected 1 to 255 of"),
        ("artifact: /etc/passwd", "artifact: expected 1 to 255 of"),
        ('artifact: "a\\0b"', "artifact: expected 1 to 255 of"),
        ("options: {a: [1]}", "options.a: expected true or false or an integer or a number or a "),
        ("options: {a: .nan}", "a finite number"),
        ("options: {1: a}", "expected a string"),
        (f"options: {{a: {2**70}}}", "options.a: expected"),
        ("1: 2", "expected a string as its key"),
        ("batching: 3", "batching: expected a mapping, got 3"),
        ("batching: {max_queue_delay_us: 99999999999}", "max_queue_delay_us: expected at most"),
        ("batching: {}\nmax_batch_size: 0", "batching needs max_batch_size above 0"),
        (INPUT.replace("-1", "1") + "max_batch_size: 2", "expected -1 as its first dimension"),
        (INPUT.replace("[-1, 2]", "[]") + "max_batch_size: 2", "input 'x' has shape []"),
        (
            INPUT.replace("]\n", ", {name: x, datatype: FP32, shape: []}]"),
            "input 'x' is given more than once",
        ),
        (
            "outputs: [{name: y, datatype: FP32, shape: [], labels: [a], labels_file: b}]",
            "outputs[0]: labels and labels_file exclude each other",
        ),
        (
            "outputs: [{name: y, datatype: FP32, shape: [], labels_file: ../b}]",
            "outputs[0].labels_file: expected 1 to 255 of",
        ),
        ("- a", "expected a mapping of settings"),
        ("just words", "expected a mapping of settings"),
    ],
)
def test_a_mistake_is_told_by_its_field(text, reason):
    assert reason in refusal(text)


def warmup(shape, extra="", datatype="FP32", name="x"):
    sample = (
        f"{{name: w, {extra} inputs: [{{name: {name}, datatype: {datatype}, shape: {shape}}}]}}"
    )
    return f"{INPUT}max_batch_size: 4\nwarmup: [{sample}]"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (warmup([-1, -1]), "has shape [1, -1], expected sizes of 0 or more"),
        (warmup([-1, 2], "batch_size: 5,"), "has 5 rows, expected at most 4"),
        (warmup([2**30, 2]), "is too large"),
        (warmup([-1, 2], name="y"), "is not an input of the model; its inputs are ['x']"),
        (warmup([-1, 2], datatype="INT8"), "is INT8, expected FP32"),
        (warmup([-1, 2], "count: 0,"), "warmup[0].count: expected at least 1"),
        (warmup([-1, 2], "fill: ones,"), "warmup[0].fill: expected one of zero or random"),
        ("warmup: [{name: w, inputs: []}]", "warmup[0].inputs: expected at least 1 entry"),
        (
            "max_batch_size: 0\nwarmup: [{name: w, batch_size: 2, inputs: "
            "[{name: x, datatype: FP32, shape: [2]}]}]",
            "warmup[0].batch_size: not with max_batch_size 0",
        ),
    ],
)
def test_a_warm_up_that_cannot_run_is_refused(text, reason):
    assert reason in refusal(text)


def test_all_mistakes_are_told_at_once():
    reason = refusal("runtime: x\nthreads: 0\nfoo: 1\ninputs: [{}]")
    for field in ("runtime", "threads", "foo", "inputs[0].name", "inputs[0].shape"):
        assert f"{field}: " in reason


def test_very_many_mistakes_are_cut_short():
    reason = refusal("inputs: [" + "{}," * 500 + "]")
    assert "and 1480 more" in reason
    assert len(reason) < 2000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x 1\nb: *x", "line 1: anchors and aliases are not allowed"),
        ("options: {a: 1}\nb: *x", "line 2: anchors and aliases are not allowed"),
        ("runtime: !!str onnx", "line 1: tags are not allowed"),
        ("runtime: !!python/object/apply:os.system [id]", "line 1: tags are not allowed"),
        ("threads: 1\nthreads: 2", "line 2: key 'threads' is given twice"),
        ("? [a]\n: 1", "a key must be a single word"),
        ("a: [1", "line 1: "),
        ("a: b: c", "line 1: "),
        ("a: 1\n--- \nb: 1", "line 2: "),
        ("a: \x01", "characters that YAML does not allow"),
        ("a: 2026-02-31", "a value cannot be read"),
        ("a: " + "9" * 5000, "a number has more than 64 characters"),
        ("a: 1" + ":1" * 5000, "a number has more than 64 characters"),
        ("a: " + "1:" * 5000 + "1.5", "a number has more than 64 characters"),
        ("[" * 100_000, "nested deeper than"),
        ("options: {" + "a" * 50 + ": " + "[" * 20 + "]" * 20 + "}", "nested deeper than"),
        ("a: [" + "1," * 60_000 + "]", "more than 50000 values"),
    ],
    ids=range(17),
)
def test_yaml_that_is_more_than_plain_data_is_refused(text, reason):
    assert reason in refusal(text)


def test_a_value_is_shown_short():
    assert len(refusal(f"runtime: {'x' * 10_000}")) < 200


@given(st.text(alphabet="abr:{}[]-,&*!?|>'\"%@#\n \t0123_.~<=", max_size=40))
def test_any_text_gives_settings_or_a_refusal(text):
    assert outcome(text).startswith(PREFIX)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
FIELDS = st.sampled_from([*model_file.ModelFile.model_fields, "count", "name", "shape", "mapping"])
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(FIELDS, TREES, max_size=4))
def test_any_mapping_gives_settings_or_a_refusal(data):
    assert outcome(json.dumps(data)).startswith(PREFIX)
