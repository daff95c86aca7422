"""Metadata tells of every signature where there are several, and of none where there is one."""

from dataclasses import replace

from google.protobuf.json_format import ParseDict

from protos import model_config_pb2
from runtimes.contract.tensor import PREDICT, Datatype, Signature, TensorSpec
from server.frontends.open_inference.model_config import model_config
from server.frontends.open_inference.signatures import described
from server.planes import ModelMetadata
from server.repository.settings import ModelSettings

MAIN = Signature((TensorSpec("x", Datatype.FP32, (-1, 2)),), ())
SIDE = Signature((TensorSpec("text", Datatype.BYTES, (3,)),), ())
ONE = ModelMetadata(
    "m", 1, (1,), "tensorflow_savedmodel", "savedmodel", MAIN, 8, ModelSettings("m"), "main",
    {"main": MAIN}, {"main": 8}, {"main": PREDICT},
)  # fmt: skip
TWO = replace(
    ONE,
    signatures={"main": MAIN, "side": SIDE},
    max_batch_sizes={"main": 8, "side": 0},
    method_names={"main": PREDICT, "side": "tensorflow/serving/classify"},
)


def test_a_model_of_one_signature_is_told_of_as_ever():
    assert described(ONE) == {}
    assert "parameters" not in model_config(ONE)


def test_several_are_told_by_name():
    told = described(TWO)

    assert told["default_signature"] == "main"
    assert told["signatures"]["side"] == {
        "method_name": "tensorflow/serving/classify",
        "max_batch_size": 0,
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": (3,)}],
        "outputs": [],
    }


def test_the_configuration_has_them_as_parameters_of_the_protocols_message():
    parameters = ParseDict(model_config(TWO), model_config_pb2.ModelConfig()).parameters

    assert parameters["default_signature"].string_value == "main"
    assert '"side"' in parameters["signatures"].string_value


def test_metadata_of_one_signature_has_its_tensors_and_its_batch_size():
    of = TWO.of("side")

    assert (of.signature, of.max_batch_size) == (SIDE, 0)
    assert TWO.of("") == TWO.of("none") == TWO
