"""TensorFlow Serving's batching parameters become the batching of models that have none."""

from __future__ import annotations

import pytest

from runtimes.contract.messages import Batching, Padding
from server.repository.batching_defaults import BatchingDefaults
from server.repository.errors import RepositoryError
from server.repository.settings import ModelSettings
from server.repository.tfs_batching import USUAL_ROWS, parse_batching, without_parameters


def parse(text: str) -> BatchingDefaults:
    return parse_batching(text, "batching.config")[0]


def test_a_file_as_its_users_write_it():
    text = """
    max_batch_size { value: 128 }
    batch_timeout_micros { value: 1000 }
    max_enqueued_batches { value: 10 }
    allowed_batch_sizes: 32
    allowed_batch_sizes: 128
    pad_variable_length_inputs: true
    num_batch_threads { value: 8 }
    thread_pool_name { value: "shared" }
    """
    defaults, notes = parse_batching(text, "batching.config")

    assert defaults == BatchingDefaults(Batching(1000, (32, 128), Padding(), 128), 1280)
    assert [note.partition(":")[0] for note in notes] == ["num_batch_threads", "thread_pool_name"]


def test_nothing_given_joins_what_waits_and_bounds_nothing_more():
    assert parse("") == without_parameters()
    assert without_parameters() == BatchingDefaults(Batching(usual_rows=USUAL_ROWS), 0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("max_batch_size { value: 0 }", "max_batch_size is 0, expected 1 to"),
        ("max_batch_size {}", "max_batch_size is 0"),
        ("max_batch_size: 128", "line 1"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros is -1, expected 0 to"),
        ("max_enqueued_batches { value: 0 }", "max_enqueued_batches is 0, expected 1"),
        ("num_batch_threads { value: -3 }", "num_batch_threads is -3, expected 1"),
        ("allowed_batch_sizes: 8", "allowed_batch_sizes needs max_batch_size"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [4, 16]", "ends with 16, expected max"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [8, 4, 8]", "ascending"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [0, 8]", "numbers above 0"),
        ("enable_large_batch_splitting { value: true }", "enable_large_batch_splitting is not"),
        ("max_execution_batch_size { value: 4 }", "max_execution_batch_size is not supported"),
        ("max_batch_sise { value: 4 }", "max_batch_sise"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(text, reason):
    with pytest.raises(RepositoryError) as error:
        parse(text)

    assert error.value.reason.startswith("batching.config: ")
    assert reason in error.value.reason


DEFAULTS = BatchingDefaults(Batching(50, (8, 32), None, 32), 320)


@pytest.mark.parametrize(
    ("own", "batching", "queued"),
    [
        ({}, DEFAULTS.batching, 320),
        ({"max_batch_size": 16}, Batching(50, (8, 16), None, 32), 320),
        ({"max_batch_size": 4}, Batching(50, (4,), None, 32), 320),
        ({"max_queue_rows": 5}, DEFAULTS.batching, 5),
        ({"max_batch_size": 0}, None, 0),
        ({"batching": Batching(7)}, Batching(7), 0),
    ],
    ids=["nothing", "rows", "few rows", "queue", "no batch dimension", "its own"],
)
def test_the_defaults_are_for_models_without_batching_of_their_own(own, batching, queued):
    settings = DEFAULTS.applied_to(ModelSettings("a", **own))

    assert (settings.batching, settings.max_queue_rows) == (batching, queued)
