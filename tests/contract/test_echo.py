"""The faults that echo plants on demand."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Datatype, Tensor, TensorSpec, pack_bytes
from runtimes.registry import create_runtime
from runtimes.runtime import LoadError, ModelError
from runtimes.sticky import is_sticky

TEXT = (TensorSpec("text", Datatype.BYTES, (-1,)),)


def _load(options=None, inputs=TEXT, outputs=()):
    spec = ModelSpec(
        "m", 1, "echo", "/nowhere", inputs=inputs, outputs=outputs, options=options or {}
    )
    return create_runtime("echo").load(spec)


def _text(*elements: bytes) -> Tensor:
    return Tensor("text", Datatype.BYTES, (len(elements),), pack_bytes(elements))


def test_without_a_declaration_there_is_one_int32_input():
    signature = _load(inputs=()).signature
    assert signature.inputs == (TensorSpec("input", Datatype.INT32, (-1, -1)),)
    assert signature.outputs == (TensorSpec("input_out", Datatype.INT32, (-1, -1)),)


@pytest.mark.parametrize("trigger", ["poison", ord("p")])
def test_a_poisoned_input_fails_and_others_do_not(trigger):
    model = _load({"fail_on": trigger})
    with pytest.raises(ModelError, match="told to fail"):
        model.infer([_text(b"fine", b"a poisoned one")], ["text_out"])
    assert model.infer([_text(b"fine")], ["text_out"])[0].data == _text(b"fine").data


def test_an_input_may_break_the_device_for_good():
    model = _load({"sticky_on": "poison"})
    with pytest.raises(RuntimeError, match="illegal memory access") as caught:
        model.infer([_text(b"poison")], ["text_out"])
    assert is_sticky(caught.value)
    assert model.infer([_text(b"fine")], ["text_out"])[0].data == _text(b"fine").data


def test_loading_takes_as_long_as_it_is_told(monkeypatch):
    slept = []
    monkeypatch.setattr("runtimes.echo.time.sleep", slept.append)
    _load({"load_ms": 1500})
    assert slept == [1.5]


def test_loading_fails_with_the_planted_reason():
    with pytest.raises(LoadError, match=r"^no such luck$"):
        _load({"fail_load": "no such luck"})


@pytest.mark.parametrize(
    ("options", "infers"), [({"exit_on_load": True}, False), ({"crash_on": "boom"}, True)]
)
def test_the_process_ends_on_demand(options, infers):
    code = (
        "from runtimes.contract.messages import ModelSpec\n"
        "from runtimes.contract.tensor import Datatype, Tensor\n"
        "from runtimes.registry import create_runtime\n"
        f"model = create_runtime('echo').load(ModelSpec('m', 1, 'echo', '', options={options!r}))\n"
        "print('loaded', flush=True)\n"
        "model.infer([Tensor('input', Datatype.INT32, (1, 1), b'boom')], ['input_out'])\n"
        "print('answered', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ("loaded\n" if infers else "")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fail_on": 256}, "'fail_on' is '256', expected a text or a byte"),
        ({"load_ms": -1}, "expected a whole number of at least 0"),
        ({"sticky_on": -1}, "'sticky_on' is '-1', expected a text or a byte"),
        ({"delay_ms": -1}, "expected a whole number of at least 0"),
        ({"hang": "later"}, "expected true or false"),
    ],
)
def test_an_option_out_of_range_is_refused(options, message):
    with pytest.raises(LoadError, match=message):
        _load(options)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (TEXT * 2, "1 inputs but 2 outputs are declared"),
        ((TensorSpec("y", Datatype.FP32, (-1,)),), "'y' is declared as FP32, but it echoes"),
    ],
)
def test_outputs_that_do_not_match_the_inputs_are_refused(outputs, message):
    with pytest.raises(LoadError, match=message):
        _load(outputs=outputs)
