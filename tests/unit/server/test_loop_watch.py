"""A loop that stands still is noticed from outside it, with the place where it stands."""

import asyncio
import threading

import structlog

from server.loop_watch import LoopWatch


def stand_still(until: threading.Event) -> None:
    assert until.wait(30)


async def test_a_loop_that_stands_still_is_told_of_with_the_place():
    noticed = threading.Event()
    lines: list[dict] = []

    def keep(_logger, _method, line):
        lines.append(dict(line))
        noticed.set()
        raise structlog.DropEvent

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[keep])
    watch = LoopWatch(silence=0.05, ask_every=0.01)
    try:
        watch.start()
        stand_still(noticed)
        while len(lines) < 2:
            await asyncio.sleep(0.01)
    finally:
        watch.stop()
        structlog.configure(processors=before)

    still, again = lines[:2]
    assert still["event"] == "the event loop stands still"
    assert "stand_still (" in still["at"]
    assert again["event"] == "the event loop runs again"
    assert again["stood_still_s"] > 0.05


async def test_a_loop_that_runs_is_not_mentioned():
    with structlog.testing.capture_logs() as lines:
        watch = LoopWatch(silence=10, ask_every=0.001)
        watch.start()
        await asyncio.sleep(0.05)
        watch.stop()

    assert lines == []
