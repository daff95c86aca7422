from __future__ import annotations

import pytest

from server.telemetry.sampling import Sampler
from server.telemetry.trace_settings import TraceRule, TraceRules


def sampler(rule: TraceRule, frontends: int = 1, number: int = 0, **models: TraceRule) -> Sampler:
    return Sampler(TraceRules(rule, models), frontends, number)


def taken(sampler: Sampler, model: str, requests: int, *, parented: bool = False) -> list[int]:
    return [at for at in range(requests) if sampler.wants(model, parented=parented)]


def test_a_rate_takes_the_first_of_every_so_many():
    assert taken(sampler(TraceRule(on=True, rate=3)), "m", 7) == [0, 3, 6]
    assert taken(sampler(TraceRule(on=True)), "m", 3) == [0, 1, 2]
    assert taken(sampler(TraceRule(on=False)), "m", 3) == []


def test_the_rate_is_not_asked_where_the_client_has_decided():
    assert taken(sampler(TraceRule(on=True, rate=3)), "m", 3, parented=True) == [0, 1, 2]
    assert taken(sampler(TraceRule(on=False)), "m", 3, parented=True) == []


def test_a_model_with_a_rule_of_its_own_is_counted_apart():
    one = sampler(TraceRule(on=True, rate=2), own=TraceRule(on=True, rate=4))
    assert taken(one, "other", 1) == [0]
    assert taken(one, "own", 5) == [0, 4]
    assert taken(one, "third", 2) == [1]  # it shares the server's count with the first


def test_a_count_ends_and_begins_anew_when_it_is_set_again():
    one = sampler(TraceRule(on=True, count=2, given=1))
    assert taken(one, "m", 5) == [0, 1]
    one.follow(TraceRules(TraceRule(on=True, count=2, given=1, rate=1)))
    assert taken(one, "m", 5) == []
    one.follow(TraceRules(TraceRule(on=True, count=1, given=2)))
    assert taken(one, "m", 5) == [0]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 7])
def test_frontends_share_a_count_without_loss(count):
    rule = TraceRule(on=True, count=count, given=1)
    shares = [len(taken(sampler(rule, 3, number), "m", 10)) for number in (4, 5, 6)]
    assert sum(shares) == count
    assert max(shares) - min(shares) <= 1
