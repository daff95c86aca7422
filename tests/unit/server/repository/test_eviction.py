"""The model cache stays within its bound, and what is in use stays in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.repository.eviction import Copy, evictions


def copy(model: str, version: int, size: int, used: float) -> Copy:
    return Copy(Path(f"/c/{model}/{version}"), model, version, size, used)


A1, A2, B1 = copy("a", 1, 10, 1.0), copy("a", 2, 10, 3.0), copy("b", 1, 10, 2.0)


@pytest.mark.parametrize(
    ("in_use", "need", "limit", "expected"),
    [
        (set(), 10, 40, []),
        (set(), 11, 40, [A1]),
        (set(), 21, 40, [A1, B1]),
        ({("a", 1)}, 11, 40, [B1]),
        ({("a", 1), ("b", 1)}, 11, 40, [A2]),
        ({("a", 1), ("a", 2), ("b", 1)}, 11, 40, None),
        (set(), 41, 40, None),
    ],
)
def test_the_least_recently_used_go_first(in_use, need, limit, expected):
    assert evictions([A2, A1, B1], in_use, need, limit) == expected


COPIES = st.lists(
    st.builds(copy, st.sampled_from("ab"), st.integers(1, 4), st.integers(0, 50), st.floats(0, 9)),
    max_size=8,
)


@given(COPIES, st.sets(st.tuples(st.sampled_from("ab"), st.integers(1, 4))), st.integers(0, 99))
def test_nothing_in_use_goes_and_the_rest_fits(copies, in_use, need):
    chosen = evictions(copies, in_use, need, 100)
    idle = [item for item in copies if (item.model, item.version) not in in_use]
    held = sum(item.size for item in copies)
    if chosen is None:
        assert held - sum(item.size for item in idle) + need > 100
    else:
        assert all((item.model, item.version) not in in_use for item in chosen)
        assert held - sum(item.size for item in chosen) + need <= 100
