"""The signature embedded in a TorchScript artifact is held to its form."""

from __future__ import annotations

import json

import pytest

from runtimes.contract.tensor import Datatype, TensorSpec
from runtimes.runtime import LoadError
from runtimes.torch_signature import MAX_EXTRA_FILE, Embedded, parse_embedded

ITEM = {"name": "x", "datatype": "FP32", "shape": [-1, 2]}


def test_an_artifact_without_the_file_embeds_nothing():
    assert parse_embedded(b"") == Embedded()


def test_the_whole_form_is_read():
    text = json.dumps({"inputs": [ITEM], "outputs": [], "max_batch_size": 0}).encode()
    assert parse_embedded(text) == Embedded((TensorSpec("x", Datatype.FP32, (-1, 2)),), (), 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must be an object"),
        ({"input": []}, "unknown field 'input'"),
        ({"inputs": {}}, "inputs must be a list"),
        ({"inputs": ["x"]}, r"inputs\[0\] must be an object"),
        ({"inputs": [{**ITEM, "extra": 1}]}, r"inputs\[0\] must be an object"),
        ({"inputs": [{**ITEM, "name": ""}]}, r"inputs\[0\].name"),
        ({"inputs": [{**ITEM, "name": 7}]}, r"inputs\[0\].name"),
        ({"outputs": [ITEM, {**ITEM, "datatype": "FLOAT"}]}, r"outputs\[1\].datatype"),
        ({"inputs": [{**ITEM, "datatype": ["FP32"]}]}, r"inputs\[0\].datatype"),
        ({"inputs": [{**ITEM, "shape": [-2]}]}, r"inputs\[0\].shape"),
        ({"inputs": [{**ITEM, "shape": [1.5]}]}, r"inputs\[0\].shape"),
        ({"inputs": [{**ITEM, "shape": [True]}]}, r"inputs\[0\].shape"),
        ({"inputs": [{**ITEM, "shape": [1] * 17}]}, r"inputs\[0\].shape"),
        ({"inputs": [{**ITEM, "shape": "12"}]}, r"inputs\[0\].shape"),
        ({"inputs": [ITEM, ITEM]}, "inputs has a name twice"),
        ({"max_batch_size": -1}, "max_batch_size"),
        ({"max_batch_size": True}, "max_batch_size"),
    ],
)
def test_a_misfit_is_refused_naming_the_field(content, message):
    with pytest.raises(LoadError, match=message):
        parse_embedded(json.dumps(content).encode())


@pytest.mark.parametrize(
    "text", [b"{", b"\xff", b"[" * 100_000, b" " * (MAX_EXTRA_FILE + 1)], ids=len
)
def test_what_is_no_json_or_too_long_is_refused(text):
    with pytest.raises(LoadError, match=r"signature\.json"):
        parse_embedded(text)
