"""Every request of a batch ends once, and whose fault a failure is."""

import pytest

from runtimes.batching.decide import waiting
from runtimes.contract.codes import Code
from runtimes.contract.messages import Failed, Infer, Result
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec
from runtimes.execute import bounded, execute
from runtimes.runtime import InputError, ModelError

SPEC = TensorSpec("x", Datatype.UINT8, (-1,))


class Picky:
    """Gives back what it gets, but raises `error` for any 66 in it."""

    signature = Signature((SPEC,), (SPEC,))
    max_batch_size = 8
    device = "cpu"
    facts: dict[str, str] = {}

    def __init__(self, error):
        self._error = error

    def infer(self, inputs, outputs):
        if 66 in bytes(inputs[0].data):
            raise self._error
        return inputs


def batch(*values):
    requests = [
        Infer(number, (Tensor("x", Datatype.UINT8, (1,), bytes([value])),))
        for number, value in enumerate(values)
    ]
    return [waiting(request, 0, batched=True) for request in requests]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("not this"), Code.INVALID_ARGUMENT),
        (ModelError("not today"), Code.INTERNAL),
        (RuntimeError("what"), Code.INTERNAL),
    ],
)
def test_only_the_request_that_fails_is_blamed_and_as_it_deserves(error, code):
    endings = list(execute(Picky(error), batch(1, 66, 3), taken_ns=0))

    assert [type(one) for one in endings] == [Result, Failed, Result]
    assert endings[1] == Failed(1, code, str(error))
    assert [bytes(one.outputs[0].data) for one in endings[::2]] == [b"\1", b"\3"]


def test_a_batch_is_led_by_one_and_tells_all_its_rows():
    endings = list(execute(Picky(ModelError("")), batch(1, 2, 3), taken_ns=0))

    assert [one.timings.batch_rows for one in endings] == [3, 3, 3]
    assert [one.timings.leads for one in endings] == [True, False, False]


def test_an_answer_over_the_bound_is_too_large_and_any_other_ending_is_left_alone():
    result, failed, _ = execute(Picky(ModelError("no")), batch(1, 66, 3), taken_ns=0)

    assert bounded(result, 1) is result
    assert bounded(failed, 0) is failed
    refused = bounded(result, 0)
    assert (refused.id, refused.code) == (result.id, Code.TOO_LARGE)
    assert "the model's answer has 1 bytes, more than the 0" in refused.message
