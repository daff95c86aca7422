from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from runtimes.contract.codes import Code
from server.access.access import Access, open_to_all
from server.access.rules import NOBODY, OPEN, Holder, Right, Rules, digest_of
from server.errors import PermissionDenied, ServingError, Unauthenticated

INFER = frozenset({Right.INFER})
RULES = Rules(holders={digest_of("s3cret"): Holder("shop", INFER)})


class Counted:
    """An Access with what it counted."""

    def __init__(self, rules: Rules | None) -> None:
        self.counted: list[tuple[str, Code]] = []
        self.access = Access(rules, lambda door, code: self.counted.append((door, code)))


def test_without_rules_everybody_is_let_in():
    open_to_all().check("rest", "GET /", INFER, "nonsense")


def test_what_needs_nothing_is_not_even_read():
    Counted(NOBODY).access.check("rest", "GET /", OPEN, "nonsense")


def test_refusals_are_counted_by_door_and_code():
    one = Counted(RULES)
    one.access.check("rest", "GET /", INFER, "Bearer s3cret")
    for header, needs, error in (
        ("", INFER, Unauthenticated),
        ("nonsense", INFER, Unauthenticated),
        ("Bearer s3cret", frozenset({Right.OPERATE}), PermissionDenied),
    ):
        with pytest.raises(error):
            one.access.check("grpc", "/a/B", needs, header)
    assert one.counted == [
        ("grpc", Code.UNAUTHENTICATED), ("grpc", Code.UNAUTHENTICATED),
        ("grpc", Code.PERMISSION_DENIED),
    ]  # fmt: skip


def test_a_client_is_told_how_to_show_itself_and_a_browser_that_it_may_ask():
    access = Counted(RULES).access
    for basic, challenge in ((False, "Bearer realm"), (True, "Basic realm")):
        with pytest.raises(Unauthenticated) as caught:
            access.check("rest", "GET /", INFER, "", basic=basic)
        assert challenge in caught.value.told["www-authenticate"]
    with pytest.raises(PermissionDenied) as known:
        access.check("rest", "GET /", frozenset({Right.CONTROL}), "Bearer s3cret")
    assert not known.value.told


def test_rules_change_at_once():
    one = Counted(NOBODY)
    with pytest.raises(Unauthenticated):
        one.access.check("rest", "GET /", INFER, "Bearer s3cret")
    one.access.follow(RULES)
    one.access.check("rest", "GET /", INFER, "Bearer s3cret")


def test_whoever_guesses_does_not_fill_the_log_and_no_guess_is_in_it():
    one = Counted(RULES)
    with capture_logs() as logs:
        for guess in range(500):
            with pytest.raises(ServingError):
                one.access.check("rest", "GET /", INFER, f"Bearer guess{guess}")
    assert len(one.counted) == 500
    assert 1 <= len(logs) < 50
    assert "guess" not in str(logs)


def test_what_everybody_may_is_not_a_matter_of_the_header():
    access = Counted(Rules(INFER)).access
    for header in ("", "nonsense", "Basic abc", "Bearer unknown"):
        access.check("rest", "GET /", INFER, header)
        assert access.admits(INFER, header)


def test_one_may_ask_first_without_being_counted():
    one = Counted(RULES)
    assert one.access.admits(INFER, "Bearer s3cret")
    assert not one.access.admits(INFER, "Bearer other")
    assert one.counted == []


def test_the_log_says_what_was_called_from_where_and_each_door_has_its_say():
    one = Counted(RULES)
    with capture_logs() as logs:
        for door in ("rest", "rest", "grpc"):
            with pytest.raises(ServingError):
                one.access.check(door, "GET /v2\n" + "x" * 200, INFER, "", peer="10.1.2.3")
    assert [line["door"] for line in logs] == ["rest", "grpc"]
    assert logs[0]["peer"] == "10.1.2.3"
    assert logs[0]["call"].startswith("'GET /v2\\n")
    assert len(logs[0]["call"]) < 100
