from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.access.credentials import Credentials
from server.access.rules import NOBODY, OPEN, Holder, Right, Rules, admit, digest_of
from server.errors import PermissionDenied, Unauthenticated

INFER, METRICS = frozenset({Right.INFER}), frozenset({Right.METRICS})
RULES = Rules(METRICS, {digest_of("s3cret"): Holder("shop", INFER)})
SHOP, GUESS = Credentials("s3cret"), Credentials("s3cre7")

RIGHTS = st.frozensets(st.sampled_from(list(Right)))
TOKENS = st.sampled_from(["a", "b", "c"])


@pytest.mark.parametrize(
    ("needs", "shown", "outcome"),
    [
        (OPEN, None, None),
        (OPEN, GUESS, None),
        (METRICS, None, None),  # anonymous
        (METRICS, GUESS, None),
        (INFER, SHOP, None),
        (INFER, Credentials("s3cret", "shop"), None),
        (INFER | {Right.CONTROL}, SHOP, None),
        (INFER, None, Unauthenticated),
        (INFER, GUESS, Unauthenticated),
        (INFER, Credentials("s3cret", "store"), Unauthenticated),
        (INFER, Credentials(digest_of("s3cret")), Unauthenticated),
        (frozenset({Right.CONTROL}), SHOP, PermissionDenied),
    ],
)
def test_a_call_is_let_in_by_a_right_it_needs(needs, shown, outcome):
    if outcome is None:
        admit(RULES, needs, shown)
    else:
        with pytest.raises(outcome):
            admit(RULES, needs, shown)


@given(RIGHTS, st.dictionaries(TOKENS, RIGHTS), RIGHTS, st.none() | TOKENS)
def test_nobody_is_let_in_without_a_right(anonymous, tokens, needs, token):
    rules = Rules(anonymous, {digest_of(one): Holder(one, may) for one, may in tokens.items()})
    holds = anonymous | (tokens.get(token, frozenset()) if token else frozenset())
    try:
        admit(rules, needs, Credentials(token) if token else None)
    except (PermissionDenied, Unauthenticated):
        assert needs
        assert not needs & holds
    else:
        assert not needs or needs & holds


def test_a_refusal_says_what_it_takes_and_never_the_token():
    with pytest.raises(Unauthenticated, match="with the right infer"):
        admit(RULES, INFER, None)
    with pytest.raises(PermissionDenied, match=r"takes the right control; .* 'shop' has infer"):
        admit(RULES, frozenset({Right.CONTROL}), SHOP)
    with pytest.raises(Unauthenticated) as caught:
        admit(RULES, INFER, GUESS)
    assert "s3cre7" not in caught.value.message


def test_without_rules_that_say_otherwise_nobody_may_anything():
    for right in Right:
        with pytest.raises(Unauthenticated):
            admit(NOBODY, frozenset({right}), SHOP)


def test_rules_travel_to_frontends_whole():
    there = msgspec.msgpack.decode(msgspec.msgpack.encode(RULES), type=Rules)
    assert there == RULES
    admit(there, INFER, SHOP)
