"""Publishes one version of a model after the other while it is under load."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import gevent
from locust import events
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtests.users.options import SwapOptions
from server.repository.copying import PublishError
from server.repository.names import parse_version
from server.repository.publish import publish

log = logging.getLogger(__name__)


class Swapper:
    """Publishes the newest version that was there at the start as ever new ones."""

    def __init__(self, options: SwapOptions) -> None:
        self._options = options
        self._greenlet: gevent.Greenlet | None = None
        self.published: list[tuple[int, float]] = []

    def start(self) -> None:
        """Begin; the first version comes after `every` seconds."""
        newest = _newest(self._options.folder)
        self._greenlet = gevent.spawn(self._publish_all, newest)

    def stop(self) -> None:
        """End, after the publishing that is at work."""
        if self._greenlet is not None:
            self._greenlet.kill()
        versions = ", ".join(f"{version} ({seconds:.1f} s)" for version, seconds in self.published)
        log.info("Published %d versions: %s", len(self.published), versions or "none")

    def _publish_all(self, newest: Path) -> None:
        while True:
            gevent.sleep(self._options.every)
            began = time.monotonic()
            # In a real thread: copying and syncing files would stop every user meanwhile.
            pool = gevent.get_hub().threadpool
            try:
                version = pool.apply(publish, (newest, self._options.folder))
            except PublishError as error:
                log.error("No version was published: %s", error)
                continue
            self.published.append((version, time.monotonic() - began))
            log.info("Published version %d of %s", version, self._options.folder.name)


def _newest(folder: Path) -> Path:
    versions = [path for path in folder.iterdir() if parse_version(path.name) is not None]
    if not versions:
        raise ValueError(f"--swap: {folder} holds no version")
    return max(versions, key=lambda path: int(path.name))


@events.test_start.add_listener
def _start(environment: Environment, **_: object) -> None:
    options = environment.parsed_options
    if isinstance(environment.runner, WorkerRunner) or getattr(options, "shape", "") != "swap":
        return
    try:
        swapper = Swapper(SwapOptions.of(options))
        swapper.start()
    except ValueError as error:
        log.error("%s", error)
        runner = environment.runner
        assert runner is not None  # noqa: S101
        if environment.web_ui is None:
            environment.process_exit_code = 2
        # With the page there can be another test, with options that can be used.
        gevent.spawn_later(0, runner.quit if environment.web_ui is None else runner.stop)
        return
    environment.underway_swapper = swapper


@events.test_stop.add_listener
def _stop(environment: Environment, **_: object) -> None:
    swapper = environment.__dict__.pop("underway_swapper", None)
    if swapper is not None:
        swapper.stop()
