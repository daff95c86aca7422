"""KServe's manifests: held to schemas, and the runtime's own command line is run and asked."""

from __future__ import annotations

import json
import shutil
import struct
import urllib.request

import grpc
import pytest
import yaml

from protos import inference_pb2 as pb
from tests.deploy.chart import VERSIONS
from tests.deploy.command_line import run
from tests.harness.onnx_models import save_scaling
from tests.harness.server_process import ROOT

FOLDER = ROOT / "deploy/kserve"
RUNTIMES = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.glob("*.yaml")}
SERVICES = [yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.glob("examples/*.yaml")]
NAME = "my-model"


def container(name="clusterservingruntime"):
    return RUNTIMES[name]["spec"]["containers"][0]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_have_nothing_to_say_against_them(helm, version):
    assert len(RUNTIMES) == len(SERVICES) == 3
    assert helm.problems([*RUNTIMES.values(), *SERVICES], version) == []


@pytest.mark.parametrize(
    ("place", "key", "words"),
    [
        (("spec",), "multimodel", "'multimodel' was unexpected"),
        (("spec", "supportedModelFormats", 0), "auto", "'auto' was unexpected"),
        (("spec", "containers", 0), "arg", "'arg' was unexpected"),
    ],
)
def test_a_wrong_field_is_seen(helm, place, key, words):
    wrong = json.loads(json.dumps(RUNTIMES["servingruntime"]))
    where = wrong
    for step in place:
        where = where[step]
    where[key] = True

    assert words in " ".join(helm.problems([wrong]))


def test_the_runtimes_differ_only_where_they_say():
    one, other = RUNTIMES["clusterservingruntime"], RUNTIMES["servingruntime"]
    gpu = RUNTIMES["clusterservingruntime-gpu"]

    assert one["spec"] == other["spec"]
    assert container()["args"] == container("clusterservingruntime-gpu")["args"]
    assert not any(format["autoSelect"] for format in gpu["spec"]["supportedModelFormats"])


def test_the_services_name_runtimes_formats_and_protocols_that_there_are():
    named = {item["metadata"]["name"]: item["spec"] for item in RUNTIMES.values()}
    for service in SERVICES:
        model = service["spec"]["predictor"]["model"]
        runtime = named[model["runtime"]]
        assert model["modelFormat"]["name"] in {
            item["name"] for item in runtime["supportedModelFormats"]
        }
        assert model["protocolVersion"] in runtime["protocolVersions"]


def test_stopping_fits_into_the_time_that_a_pod_has_by_default():
    args = container()["args"]
    seconds = [float(args[args.index(flag) + 1]) for flag in ("--drain-delay", "--drain-timeout")]

    assert sum(seconds) + 15 <= 30  # 15 s for frontends and workers to end


@pytest.fixture(scope="module", params=["bare", "numbered"])
def served(request, tmp_path_factory):
    """The runtime's command line, run on a folder like /mnt/models; ports are free ones."""
    models = tmp_path_factory.mktemp("mnt") / "models"
    saved = save_scaling(models / "3", 3)
    if request.param == "bare":
        shutil.move(saved, models / "resnet50.onnx")
        (models / "3").rmdir()
    texts = [text.replace("{{.Name}}", NAME) for text in container()["args"]]
    server = run(texts, "/mnt/models", models)
    try:
        yield server.started(), "1" if request.param == "bare" else "3"
    finally:
        assert server.stop() == 0


def post(url, document):
    request = urllib.request.Request(url, json.dumps(document).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_it_answers_the_protocols_that_the_runtime_names(served):
    server, version = served
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    rest = post(f"{server.url}/v2/models/{NAME}/infer", {"inputs": [tensor]})
    asked = pb.ModelInferRequest(
        model_name=NAME,
        inputs=[pb.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[1, 2])],
        raw_input_contents=[struct.pack("<2f", 1, 2)],
    )
    with grpc.insecure_channel(server.grpc_address) as channel:
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            pb.ModelInferRequest.SerializeToString, pb.ModelInferResponse.FromString,
        )  # fmt: skip
        over_grpc = infer(asked, timeout=30)

    over_v1 = post(f"{server.url}/v1/models/{NAME}:predict", {"instances": [[1, 2]]})

    assert RUNTIMES["clusterservingruntime"]["spec"]["protocolVersions"] == ["v1", "v2", "grpc-v2"]
    assert over_v1 == {"predictions": [[3.0, 6.0]]}
    assert (rest["model_version"], rest["outputs"][0]["data"]) == (version, [3.0, 6.0])
    assert over_grpc.model_version == version
    assert struct.unpack("<2f", over_grpc.raw_output_contents[0]) == (3.0, 6.0)


def test_its_probes_are_answered(served):
    server, _ = served
    for probe in ("readinessProbe", "livenessProbe"):
        path = container()[probe]["httpGet"]["path"]
        with urllib.request.urlopen(f"{server.url}{path}", timeout=30) as answer:
            assert answer.status == 200
