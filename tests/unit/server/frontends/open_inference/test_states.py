"""Every lifecycle state has its word in the protocol."""

from __future__ import annotations

import pytest

from server.frontends.open_inference.states import protocol_state
from server.lifecycle.states import State

WORDS = {
    "NEW": "UNAVAILABLE",
    "LOADING": "LOADING",
    "WARMING": "LOADING",
    "READY": "READY",
    "DRAINING": "UNLOADING",
    "UNLOADING": "UNLOADING",
    "ENDED": "UNAVAILABLE",
    "FAILED": "UNAVAILABLE",
}


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_word(state):
    assert protocol_state(state) == WORDS[state.value]


def test_a_foreign_word_is_unknown():
    assert protocol_state("BUSY") == "UNKNOWN"
