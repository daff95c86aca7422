"""GPU errors after which only a new process helps."""

import pytest

from runtimes.batching.decide import waiting
from runtimes.contract.codes import Code
from runtimes.contract.messages import Failed, Infer
from runtimes.contract.tensor import Datatype, Signature, Tensor
from runtimes.execute import execute
from runtimes.sticky import DeviceLost, is_sticky

STICKY = [
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: device-side assert triggered",
    "CUDA failure 700: an illegal memory access was encountered ; GPU=0",
    "Failed to launch: CUDA_ERROR_ILLEGAL_ADDRESS",
    "CUDA error: unspecified launch failure",
]


@pytest.mark.parametrize("text", STICKY)
def test_a_broken_context_is_recognised(text):
    assert is_sticky(RuntimeError(text))


@pytest.mark.parametrize(
    "text", ["CUDA error: out of memory", "shape mismatch", "CUDA_ERROR_OUT_OF_MEMORY: x", ""]
)
def test_other_errors_are_not_taken_for_one(text):
    assert not is_sticky(RuntimeError(text))


def test_the_cause_of_an_error_counts():
    error = ValueError("the model failed")
    error.__cause__ = RuntimeError(STICKY[0])

    assert is_sticky(error)


class Broken:
    signature = Signature((), ())

    def infer(self, inputs, outputs):
        raise RuntimeError(STICKY[0])


def test_every_request_of_the_batch_gets_its_ending_before_the_worker_gives_up():
    tensors = (Tensor("x", Datatype.UINT8, (1, 1), b"1"),)
    batch = [waiting(Infer(number, tensors), 0, batched=True) for number in (1, 2, 3)]
    endings = execute(Broken(), batch, 0)

    got = [next(endings) for _ in batch]

    assert [(e.id, e.code) for e in got if isinstance(e, Failed)] == [
        (number, Code.UNAVAILABLE) for number in (1, 2, 3)
    ]
    with pytest.raises(DeviceLost):
        next(endings)
