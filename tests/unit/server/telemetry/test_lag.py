"""The lag of an event loop is how long it kept others waiting."""

from __future__ import annotations

import asyncio
import time

import pytest

from server.telemetry import lag as module
from server.telemetry.lag import LagMeter


async def test_a_loop_that_stands_still_is_late_by_as_much(monkeypatch):
    monkeypatch.setattr(module, "INTERVAL", 0.001)
    told: asyncio.Future = asyncio.get_running_loop().create_future()
    meter = LagMeter(lambda lag: told.done() or told.set_result(lag))
    meter.start()
    await asyncio.sleep(0)
    time.sleep(0.05)  # this is what stands still

    lag = await told
    await meter.stop()

    assert lag.count == module.LOOKS
    assert lag.ns >= 40_000_000


async def test_a_meter_that_was_never_started_can_be_stopped():
    await LagMeter(pytest.fail).stop()
