"""Every signature is warmed up with its own samples, and with made-up inputs where it has none."""

import json
from dataclasses import dataclass, field

import pytest

from runtimes.contract.messages import ModelSpec, WarmupSample
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec
from runtimes.functions import Function
from runtimes.runtime import LoadError, RecordedRequest
from runtimes.warmup_all import warm_up_all

SPEC = TensorSpec("x", Datatype.UINT8, (2,))
SIGNATURE = Signature((SPEC,), (TensorSpec("y", Datatype.UINT8, (2,)),))


@dataclass
class Model:
    """Notes what it is asked."""

    signature: Signature = SIGNATURE
    max_batch_size: int = 0
    device: str = "cpu"
    facts: dict[str, str] = field(default_factory=dict)
    data: list[bytes] = field(default_factory=list)

    def infer(self, inputs, outputs):
        self.data.append(bytes(inputs[0].data))
        return [Tensor("y", Datatype.UINT8, (2,), inputs[0].data)]


@pytest.fixture
def functions():
    return (
        Function("main", Model()),
        Function("other", Model()),
        Function("train", Model(), not_to_try="it writes"),
    )


def spec(**changes):
    return ModelSpec("m", 1, "fake", "/x", **changes)


def body(data, **parameters):
    inputs = [{"name": "x", "datatype": "UINT8", "shape": [2], "data": data}]
    return json.dumps({"parameters": parameters, "inputs": inputs})


def asked(functions):
    return [one.model.data for one in functions]


def test_made_up_inputs_are_for_what_may_be_run_for_practice(functions):
    assert warm_up_all(functions, spec(), 1) == (
        "made-up inputs; other: made-up inputs; train: not run, it writes"
    )
    assert asked(functions) == [[b"\0\0"], [b"\0\0"], []]


def test_samples_go_to_the_signature_they_name(functions, tmp_path):
    (tmp_path / "a.json").write_text(body([1, 1]))
    (tmp_path / "b.json").write_text(body([2, 2], signature_name="train"))
    files = tuple(str(tmp_path / name) for name in ("a.json", "b.json"))
    described = WarmupSample("zeros", (SPEC,), signature="other")

    warm_up_all(functions, spec(warmup_files=files, warmup=(described,)), 1)

    assert asked(functions) == [[b"\1\1"], [b"\0\0"], [b"\2\2"]]


def test_recorded_requests_run_under_the_names_that_clients_use(functions):
    tensor = Tensor("own", Datatype.UINT8, (2,), b"ab")
    recorded = [RecordedRequest("record 1", "other", (tensor,))]

    warm_up_all(functions, spec(aliases={"own": "x"}), 1, recorded)

    assert asked(functions)[1] == [b"ab"]


def test_a_sample_of_a_signature_that_is_not_there_fails_the_load(functions, tmp_path):
    (tmp_path / "a.json").write_text(body([1, 1], signature_name="none"))
    words = "warm-up '{}': is for signature 'none'; the model serves 'main', 'other', 'train'"

    with pytest.raises(LoadError, match=words.format("a.json")):
        warm_up_all(functions, spec(warmup_files=(str(tmp_path / "a.json"),)), 1)
    with pytest.raises(LoadError, match=words.format("d")):
        warm_up_all(functions, spec(warmup=(WarmupSample("d", (SPEC,), signature="none"),)), 1)
