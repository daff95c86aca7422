"""The models of a server and their samples, found out once per process and test, and kept."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from gevent.lock import RLock, Semaphore
from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.samples.discover import DiscoveryError, Model, discover
from loadtests.users.options import Options

DEFAULT_HOST = "http://127.0.0.1:8000"

LOOKED = "underway_looked"
"""What a worker tells the master when it knows what to ask."""

LONGEST_LOOK = 60.0

_found: dict[tuple[str, tuple[str, ...], int], Sequence[Model]] = {}
_lock = RLock()


def models_at(host: str, options: Options) -> Sequence[Model]:
    """What to ask at `host`; all users that start together wait for one look."""
    key = (host.rstrip("/"), options.models, options.rows)
    with _lock:
        if key not in _found:
            _found[key] = discover(*key)
        return _found[key]


@events.init.add_listener
def _look_ahead(environment: Environment, **_: object) -> None:
    """Without the page, what to ask is known by now: the run time shall not go into that."""
    given, runner = environment.parsed_options, environment.runner
    if given is None or not (given.headless or given.worker):
        return
    if isinstance(runner, MasterRunner):
        _wait_for_workers(runner, given.expect_workers)
        return
    with contextlib.suppress(DiscoveryError, ValueError):  # the users will say so
        models_at(environment.host or DEFAULT_HOST, Options.of(given))
    if isinstance(runner, WorkerRunner):
        runner.send_message(LOOKED)


def _wait_for_workers(runner: MasterRunner, count: int) -> None:
    """Until `count` workers know what to ask, or long enough."""
    ready = Semaphore(0)
    runner.register_message(LOOKED, lambda **_: ready.release())
    deadline = time.monotonic() + LONGEST_LOOK
    for _ in range(count):
        ready.acquire(timeout=max(0.0, deadline - time.monotonic()))


@events.test_stop.add_listener
def _forget(**_: object) -> None:
    """The server may be another one at the next test."""
    _found.clear()
