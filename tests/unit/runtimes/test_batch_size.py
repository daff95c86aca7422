"""How many rows a model takes is derived, or checked where it is configured."""

from __future__ import annotations

import pytest

from runtimes.batch_size import DEFAULT, fitting, max_batch_size
from runtimes.contract.messages import Batching, Padding
from runtimes.contract.tensor import Datatype, Signature, TensorSpec
from runtimes.runtime import LoadError


def _signature(inputs, outputs):
    return Signature(
        *(
            tuple(TensorSpec(f"{kind}{at}", Datatype.FP32, s) for at, s in enumerate(shapes))
            for kind, shapes in (("in", inputs), ("out", outputs))
        )
    )


@pytest.mark.parametrize(
    ("configured", "inputs", "outputs", "rows"),
    [
        (None, [(-1, 3)], [(-1,)], DEFAULT),
        (None, [(-1, 3), (-1,)], [(-1, 2)], DEFAULT),
        (None, [(4, 3)], [(-1,)], 0),
        (None, [(-1, 3)], [(1, 2)], 0),
        (None, [(-1, 3)], [()], 0),
        (None, [()], [(-1,)], 0),
        (None, [(-1, 3), (3,)], [(-1,)], 0),
        (0, [(-1, 3)], [(-1,)], 0),
        (0, [(4, 3)], [(4,)], 0),
        (1, [(-1, 3)], [(-1,)], 1),
        (500, [(-1, 3)], [(-1,)], 500),
    ],
)
def test_the_batch_size_follows_from_settings_and_signature(configured, inputs, outputs, rows):
    assert max_batch_size(configured, _signature(inputs, outputs)) == rows


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([(4, 3)], [(-1,)], r"input 'in0' has the shape \[4, 3\]"),
        ([(-1, 3)], [()], r"output 'out0' has the shape \[\]"),
        ([(-1, 3), (2,)], [(-1,)], r"input 'in1' has the shape \[2\]"),
    ],
)
def test_batching_without_a_batch_dimension_is_refused(inputs, outputs, message):
    with pytest.raises(LoadError, match=message):
        max_batch_size(8, _signature(inputs, outputs))


def test_a_negative_batch_size_is_refused():
    with pytest.raises(LoadError, match="expected 0 or more"):
        max_batch_size(-1, _signature([(-1,)], [(-1,)]))


# ---- batching asked for on behalf of all models --------------------------------------------------

EVERYWHERE = Batching(allowed_sizes=(8, 16), pad=Padding(), usual_rows=16)


@pytest.mark.parametrize(
    ("configured", "inputs", "rows"),
    [(None, [(-1, 3)], 16), (None, [(4, 3)], 0), (5, [(-1, 3)], 5), (0, [(-1, 3)], 0)],
)
def test_the_servers_batch_size_is_for_models_with_a_batch_dimension_and_none_of_their_own(
    configured, inputs, rows
):
    assert max_batch_size(configured, _signature(inputs, [(-1,)] * bool(rows)), EVERYWHERE) == rows


@pytest.mark.parametrize(
    ("rows", "inputs", "expected"),
    [
        (0, [(4, 3)], None),
        (16, [(-1, -1)], EVERYWHERE),
        (16, [(-1, 3)], Batching(allowed_sizes=(8, 16), usual_rows=16)),
        (4, [(-1, 3)], Batching(usual_rows=16)),
    ],
    ids=["no batch dimension", "all fits", "nothing to pad", "a smaller batch"],
)
def test_what_does_not_fit_a_model_is_left_out(rows, inputs, expected):
    assert fitting(EVERYWHERE, rows, _signature(inputs, [(-1,)])) == expected


@pytest.mark.parametrize("own", [None, Batching(pad=Padding())])
def test_what_the_model_itself_asks_for_stays_and_is_refused_later_where_it_does_not_fit(own):
    assert fitting(own, 0, _signature([(4, 3)], [(4,)])) == own
