"""Which batches a warm-up runs, and when a failing one fails the load."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from runtimes.contract.messages import Batching, ModelSpec, WarmupSample
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec
from runtimes.runtime import LoadError, ModelError
from runtimes.warmup import MAX_BATCH_BYTES, batch_sizes, warm_up

SPEC = ModelSpec("m", 1, "fake", "/repository/m/1/model.bin", batching=Batching())


@dataclass
class FakeModel:
    """Answers with its input; notes the rows of every call, and fails on `bad` rows."""

    shape: tuple[int, ...] = (-1, 2)
    max_batch_size: int = 8
    bad: int = -1
    mean: bool = False
    device: str = "cpu"
    facts: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[int, ...]] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)

    @property
    def signature(self):
        spec = TensorSpec("x", Datatype.UINT8, self.shape)
        return Signature((spec,), (TensorSpec("y", Datatype.UINT8, self.shape),))

    def infer(self, inputs, outputs):
        assert list(outputs) == ["y"]
        (x,) = inputs
        self.calls.append(x.shape)
        self.data.append(bytes(x.data))
        if x.shape[:1] == (self.bad,):
            raise ModelError("no such batch")
        if self.mean:
            return [Tensor("y", x.datatype, (1, *x.shape[1:]), b"\0\0")]
        return [Tensor("y", x.datatype, x.shape, x.data)]

    @property
    def rows(self):
        return [shape[0] for shape in self.calls]


def _declared(*shape, name="declared", count=1):
    return WarmupSample(name, (TensorSpec("x", Datatype.UINT8, shape),), count=count)


def _spec(**changes):
    return ModelSpec("m", 1, "fake", SPEC.artifact, **{"batching": Batching(), **changes})


def _recorded(path, rows):
    tensor = {"name": "x", "datatype": "UINT8", "shape": [len(rows), len(rows[0])], "data": rows}
    path.write_text(json.dumps({"inputs": [tensor]}))
    return str(path)


@pytest.mark.parametrize(
    ("largest", "batched", "sizes"),
    [
        (0, True, ()),
        (0, False, ()),
        (1, True, (1,)),
        (8, False, (1,)),
        (2, True, (1, 2)),
        (8, True, (1, 2, 4, 8)),
        (12, True, (1, 2, 4, 8, 12)),
        (64, True, (1, 2, 4, 8, 16, 32, 64)),
    ],
)
def test_the_sizes_are_the_powers_of_two_and_the_largest(largest, batched, sizes):
    assert batch_sizes(largest, Batching() if batched else None) == sizes


def test_sizes_that_batches_are_filled_up_to_are_the_only_ones():
    assert batch_sizes(12, Batching(allowed_sizes=(4, 12))) == (4, 12)


def test_every_size_runs_as_often_as_the_framework_needs():
    model = FakeModel(max_batch_size=3)
    assert warm_up(model, SPEC, 2) == "made-up inputs, batch sizes 1, 2, 3"
    assert model.rows == [1, 1, 2, 2, 3, 3]


def test_a_model_without_a_batch_dimension_runs_as_it_is():
    model = FakeModel(shape=(), max_batch_size=0)
    assert warm_up(model, SPEC, 1) == "made-up inputs"
    assert model.calls == [()]


def test_a_framework_that_puts_nothing_off_is_not_warmed():
    model = FakeModel()
    assert warm_up(model, SPEC, 0) == "not needed"
    assert model.calls == []


def test_a_batch_that_fails_fails_the_load():
    message = r"^warm-up on made-up inputs failed with 4 rows: no such batch$"
    with pytest.raises(LoadError, match=message):
        warm_up(FakeModel(bad=4), SPEC, 1)


def test_without_a_batch_dimension_no_rows_are_told():
    model = FakeModel(shape=(3,), max_batch_size=0, bad=3)
    with pytest.raises(LoadError, match=r"^warm-up on made-up inputs failed: no such batch$"):
        warm_up(model, SPEC, 1)


def test_a_failure_where_a_size_was_guessed_proves_nothing(capsys):
    model = FakeModel(shape=(-1, -1), bad=4)
    note = "inconclusive: warm-up on made-up inputs failed with 4 rows: no such batch"
    assert warm_up(model, SPEC, 1) == note
    assert "no such batch" in capsys.readouterr().out


@pytest.mark.parametrize("shape", [(-1, 2), (-1, -1)])
def test_an_answer_without_a_row_per_row_fails_the_load(shape):
    message = "failed with 2 rows: output 'y' has shape .* set max_batch_size: 0"
    with pytest.raises(LoadError, match=message):
        warm_up(FakeModel(shape=shape, mean=True), SPEC, 1)


def test_rows_do_not_matter_where_requests_are_not_joined():
    model = FakeModel(mean=True)
    warm_up(model, _spec(batching=None, warmup=(_declared(2, 2),)), 1)
    assert model.rows == [2, 1]


def test_very_large_inputs_are_not_made_up():
    model = FakeModel(shape=(-1, MAX_BATCH_BYTES))
    assert warm_up(model, SPEC, 1) == "skipped: the inputs are very large"
    assert model.calls == []


def test_batches_stop_where_they_would_take_too_much_memory():
    model = FakeModel(shape=(-1, MAX_BATCH_BYTES // 6), max_batch_size=64)
    assert warm_up(model, SPEC, 1) == "made-up inputs, batch sizes 1, 2, 4"


def test_a_declared_sample_runs_as_it_is_and_at_every_size():
    model = FakeModel(max_batch_size=4)
    done = warm_up(model, _spec(warmup=(_declared(3, 2, count=2),)), 3)
    assert done == "1 sample, batch sizes 1, 2, 4"
    assert model.rows == [3, 3, 1, 1, 1, 2, 2, 2, 4, 4, 4]


def test_only_the_first_sample_of_a_shape_runs_at_every_size():
    model = FakeModel(shape=(-1, -1), max_batch_size=2)
    samples = (_declared(1, 2), _declared(2, 2, name="same"), _declared(1, 5, name="other"))
    assert warm_up(model, _spec(warmup=samples), 1) == "3 samples, batch sizes 1, 2"
    assert model.calls == [(1, 2), (1, 2), (2, 2), (2, 2), (1, 5), (1, 5), (2, 5)]


def test_a_recorded_sample_is_repeated_and_cut(tmp_path):
    model = FakeModel(max_batch_size=8)
    path = _recorded(tmp_path / "a.json", [[1, 2], [3, 4], [5, 6]])
    assert warm_up(model, _spec(warmup_files=(path,)), 1) == "1 sample, batch sizes 1, 2, 4, 8"
    own = bytes([1, 2, 3, 4, 5, 6])
    assert model.data == [own, own[:2], own[:4], own + own[:2], own * 2 + own[:4]]


def test_a_recorded_sample_is_cut_to_the_largest_batch(tmp_path):
    model = FakeModel(max_batch_size=2)
    path = _recorded(tmp_path / "a.json", [[1, 2], [3, 4], [5, 6]])
    warm_up(model, _spec(warmup_files=(path,)), 1)
    assert model.rows == [2, 1, 2]


def test_samples_run_even_where_the_framework_puts_nothing_off(tmp_path):
    model = FakeModel(max_batch_size=1)
    warm_up(model, _spec(warmup_files=(_recorded(tmp_path / "a.json", [[1, 2]]),)), 0)
    assert model.rows == [1, 1]


def test_a_failing_recorded_sample_is_named_without_its_path(tmp_path):
    path = _recorded(tmp_path / "cat.json", [[1, 2]])
    message = r"^warm-up 'cat.json' failed with 4 rows: no such batch$"
    with pytest.raises(LoadError, match=message):
        warm_up(FakeModel(shape=(-1, -1), bad=4), _spec(warmup_files=(path,)), 1)


def test_an_unreadable_recorded_sample_fails_the_load(tmp_path):
    message = r"^warm-up 'gone.npz': cannot be read: No such file or directory$"
    with pytest.raises(LoadError, match=message):
        warm_up(FakeModel(), _spec(warmup_files=(str(tmp_path / "gone.npz"),)), 1)


def test_too_many_recorded_samples_are_refused():
    with pytest.raises(LoadError, match=r"^65 warm-up files, expected at most 64$"):
        warm_up(FakeModel(), _spec(warmup_files=("x.npz",) * 65), 1)


def test_a_declared_sample_must_fit_the_signature():
    message = r"^warm-up 'declared': input 'x' has the shape \[1, 3\], expected \[-1, 2\]$"
    with pytest.raises(LoadError, match=message):
        warm_up(FakeModel(), _spec(warmup=(_declared(1, 3),)), 1)


def test_a_runtimes_own_mistake_tells_no_path():
    class Broken(FakeModel):
        def infer(self, inputs, outputs):
            raise KeyError("/repository/m/1/secret")

    with pytest.raises(LoadError) as error:
        warm_up(Broken(), SPEC, 1)
    assert "/repository" not in str(error.value)
