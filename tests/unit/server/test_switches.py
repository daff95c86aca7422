from __future__ import annotations

import pytest

from server.errors import InvalidArgument
from server.routing.messages import LogIs, TraceIs
from server.telemetry.log_settings import LogRules
from server.telemetry.trace_settings import TraceRule, TraceRules
from tests.unit.server.switched import Told, switches


async def test_frontends_are_told_of_every_change_and_of_what_holds_at_the_start():
    told = Told()
    both = switches(tracing=True, told=told)
    await both.trace("m", {"trace_rate": "5"})
    await both.log({"log_info": False})

    start, changed, here, there = told
    assert start == TraceIs(TraceRules(TraceRule(on=True)))
    assert changed.rules.models == {"m": TraceRule(on=True, rate=5)}
    assert here == LogRules(info=False)
    assert there == LogIs(LogRules(info=False))


async def test_reading_tells_nobody_anything_and_a_refusal_neither():
    told = Told()
    both = switches(told=told)
    await both.trace("", {})
    await both.log({})
    with pytest.raises(InvalidArgument):
        await both.log({"colour": True})
    assert len(told) == 1
