"""Profiles on demand: has one worker of a version capture what its runtime's profiler says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from runtimes.contract.messages import Profile
from server.errors import DeadlineExceeded, InvalidArgument, Overloaded, Unavailable, error_for
from server.lifecycle.version import ModelVersion
from server.planes import TraceFile

MOST_BATCHES = 1000
MOST_SECONDS = 300.0
MOST_BYTES = 64 * 2**20
SLACK = 120.0
"""Seconds, beyond those of the capture, to make the profiler and to write the trace."""


class ProfileTaker:
    """Takes one profile of a model at a time. `find` says who answers for a version, `max_bytes`
    is what a worker may send in one piece.
    """

    def __init__(self, find: Callable[[str, str], ModelVersion], max_bytes: int) -> None:
        self._find = find
        self._max_bytes = min(MOST_BYTES, max_bytes)
        self._taking: set[str] = set()

    async def take(self, model: str, version: str, batches: int, seconds: float) -> TraceFile:
        """See planes.AdminPlane.profile."""
        if not 1 <= batches <= MOST_BATCHES:
            raise InvalidArgument(f"batches: expected a whole number from 1 to {MOST_BATCHES}")
        if not 1 <= seconds <= MOST_SECONDS:
            raise InvalidArgument(f"seconds: expected a number from 1 to {MOST_SECONDS:g}")
        found = self._find(model, version)
        workers = found.pool.workers if found.pool is not None else ()
        if not workers:
            raise Unavailable(f"'{model}' has no worker to profile", retry_after=1.0)
        if model in self._taking:
            raise Overloaded(f"a profile of '{model}' is being taken; one at a time")
        self._taking.add(model)
        try:
            async with asyncio.timeout(seconds + SLACK):
                got = await workers[0].profile(Profile(batches, seconds, self._max_bytes))
        except TimeoutError:
            raise DeadlineExceeded("the worker gave no profile in time") from None
        finally:
            self._taking.discard(model)
        if got.code is not None:
            raise error_for(got.code, got.message)
        return TraceFile(f"{model}-{found.version}.{got.name}", bytes(got.trace))
