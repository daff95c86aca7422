"""model.yaml's settings of batches and queues."""

import re

import pytest

from runtimes.contract.messages import Batching, Padding
from server.repository.errors import RepositoryError
from server.repository.model_yaml import parse_model_yaml


def parse(text):
    return parse_model_yaml(text, "m", lambda name: ())


def test_batches_may_be_filled_up():
    text = """
max_batch_size: 6
max_queue_rows: 100
max_queue_bytes: 4096
batching:
  allowed_batch_sizes: powers_of_two
  pad: {value: -1.5, buckets: [16, 64], mask: real}
"""
    settings = parse(text)

    assert settings.batching == Batching(0, (1, 2, 4, 6), Padding(-1.5, (16, 64), "real"))
    assert (settings.max_queue_rows, settings.max_queue_bytes) == (100, 4096)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("batching: {allowed_batch_sizes: [1, 2]}", "allowed_batch_sizes needs max_batch_size"),
        ("max_batch_size: 8\nbatching: {allowed_batch_sizes: [1, 2]}", "ends with 2, expected"),
        ("max_batch_size: 2\nbatching: {allowed_batch_sizes: [2, 2]}", "each number once"),
        ("batching: {pad: {buckets: [8, 4]}}", "batching.pad.buckets: expected each number once"),
        ("batching: {pad: {to: max}}", "batching.pad"),
        ("max_queue_rows: 0", "max_queue_rows: expected at least 1"),
    ],
)
def test_sizes_that_cannot_be_are_refused(text, words):
    with pytest.raises(RepositoryError, match=re.escape(words)):
        parse(text)
