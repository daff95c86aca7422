"""Watches the generator itself: CPU of every process, late sends, and what to say of them."""

from __future__ import annotations

import logging
import time
from typing import Any

import gevent
from locust import events
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtests.generator.health import BEHIND_LIMIT, Health, worst

WINDOW = 5.0
"""Seconds over which CPU use counts: a ramp saturates at its end, not on the average."""

EXIT_CODE = 3
"""Of a run without failures whose generator was the limit."""

log = logging.getLogger(__name__)


class Watch:
    """One process's: what it sent, how much of that late, and the CPU it took."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A test starts."""
        self._requests = self._late = 0
        self._busiest = 0.0
        self._whole = self._window = (time.monotonic(), time.process_time())

    def sent(self, behind: float) -> None:
        """A request left `behind` seconds after it could have."""
        self._requests += 1
        self._late += behind > BEHIND_LIMIT

    def look(self) -> None:
        """End one window of CPU use and begin the next."""
        self._busiest = max(self._busiest, _share(self._window))
        self._window = (time.monotonic(), time.process_time())

    def health(self) -> Health:
        """How this process did so far."""
        late = self._late / self._requests if self._requests else 0.0
        return Health(max(self._busiest, _share(self._whole)), late)


def _share(since: tuple[float, float]) -> float:
    wall = time.monotonic() - since[0]
    return (time.process_time() - since[1]) / wall if wall > 0 else 0.0


WATCH = Watch()
_workers: dict[str, Health] = {}
_said: list[Health] = []
"""The verdict on the last test: the exit code must not go by reports that came after it."""


def _looking() -> None:
    while True:
        gevent.sleep(WINDOW)
        WATCH.look()


@events.test_start.add_listener
def _begin(environment: Environment, **_: object) -> None:
    WATCH.begin()
    _workers.clear()
    if not hasattr(environment, "underway_watch"):
        environment.underway_watch = gevent.spawn(_looking)


@events.report_to_master.add_listener
def _report(client_id: str, data: dict[str, Any], **_: object) -> None:
    health = WATCH.health()
    data["generator"] = {"cpu_share": health.cpu_share, "late_share": health.late_share}


@events.worker_report.add_listener
def _receive(client_id: str, data: dict[str, Any], **_: object) -> None:
    if "generator" in data:
        _workers[client_id] = Health(**data["generator"])


def verdict() -> Health:
    """Of all processes that send."""
    return worst(list(_workers.values())) if _workers else WATCH.health()


@events.test_stop.add_listener
def _say(environment: Environment, **_: object) -> None:
    if not isinstance(environment.runner, WorkerRunner):
        health = verdict()
        _said[:] = [health]
        log.log(logging.WARNING if health.limits else logging.INFO, "%s", health)


@events.quitting.add_listener
def _exit_code(environment: Environment, **_: object) -> None:
    runner = environment.runner
    if runner is None or isinstance(runner, WorkerRunner) or runner.errors or runner.exceptions:
        return
    if any(health.limits for health in _said) and environment.process_exit_code is None:
        environment.process_exit_code = EXIT_CODE
