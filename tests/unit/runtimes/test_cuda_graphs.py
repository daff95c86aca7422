"""For which models and sizes graphs can be recorded."""

import re

import pytest

from runtimes.contract.messages import Batching, ModelSpec
from runtimes.contract.tensor import Datatype, Signature, TensorSpec
from runtimes.cuda_graphs import graph_sizes, why_no_graphs

SIZED = Batching(allowed_sizes=(1, 8))


def spec(batching=None):
    return ModelSpec("m", 1, "torchscript", "/", batching=batching)


def signature(*shape, optional=False):
    return Signature((TensorSpec("x", Datatype.FP32, shape, optional),), ())


@pytest.mark.parametrize(
    ("batching", "inputs", "on_gpu", "words"),
    [
        (SIZED, signature(-1, 3), True, ""),
        (None, signature(2, 3), True, ""),
        (SIZED, signature(-1, 3), False, "needs a CUDA device"),
        (None, signature(-1, 3), True, "set batching.allowed_batch_sizes"),
        (Batching(), signature(-1, 3), True, "set batching.allowed_batch_sizes"),
        (SIZED, signature(-1, -1), True, r"'x' has shape \[-1, -1\]; only the batch"),
        (None, signature(2, -1), True, r"'x' has shape \[2, -1\]"),
        (SIZED, signature(-1, 3, optional=True), True, "input 'x' is optional"),
    ],
)
def test_every_size_must_be_known(batching, inputs, on_gpu, words):
    found = why_no_graphs(spec(batching), inputs, on_gpu=on_gpu)
    assert bool(found) is bool(words)
    assert re.search(words, found)


def test_a_graph_is_recorded_for_each_allowed_size_or_the_only_one():
    assert graph_sizes(spec(SIZED)) == (1, 8)
    assert graph_sizes(spec(Batching())) == graph_sizes(spec()) == (0,)
