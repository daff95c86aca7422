from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from runtimes.contract.codes import Code
from runtimes.contract.messages import Profile, Profiled
from server.errors import InvalidArgument, Overloaded, Unavailable, Unsupported
from server.planes import TraceFile
from server.profiling import MOST_BYTES, ProfileTaker


class Worker:
    """Answers with `profiled`, once it may."""

    def __init__(self, profiled: Profiled) -> None:
        self.profiled = profiled
        self.asked: list[Profile] = []
        self.may = asyncio.Event()
        self.may.set()

    async def profile(self, asked: Profile) -> Profiled:
        self.asked.append(asked)
        await self.may.wait()
        return self.profiled


def taker(*workers: Worker, max_bytes: int = 2**40) -> ProfileTaker:
    found = SimpleNamespace(version=7, pool=SimpleNamespace(workers=workers))
    return ProfileTaker(lambda model, version: found, max_bytes)


async def test_a_trace_is_named_for_the_model_and_the_version_that_answered():
    worker = Worker(Profiled("torch.trace.json", memoryview(b"{}")))
    taken = await taker(worker).take("m", "stable", 20, 30)
    assert taken == TraceFile("m-7.torch.trace.json", b"{}")
    assert worker.asked == [Profile(20, 30, MOST_BYTES)]


async def test_a_trace_is_no_larger_than_a_message_may_be():
    worker = Worker(Profiled("x", b""))
    await taker(worker, max_bytes=1024).take("m", "", 1, 1)
    assert worker.asked[0].max_bytes == 1024


@pytest.mark.parametrize(
    ("batches", "seconds", "words"),
    [
        (0, 30, "batches: expected a whole number from 1 to 1000"),
        (1001, 30, "batches: expected a whole number from 1 to 1000"),
        (1, 0, "seconds: expected a number from 1 to 300"),
        (1, 301, "seconds: expected a number from 1 to 300"),
    ],
)
async def test_what_is_asked_for_is_bounded(batches, seconds, words):
    with pytest.raises(InvalidArgument, match=words):
        await taker().take("m", "", batches, seconds)


async def test_one_profile_of_a_model_is_taken_at_a_time():
    worker = Worker(Profiled("x", b""))
    one = taker(worker)
    worker.may.clear()
    first = asyncio.ensure_future(one.take("m", "", 1, 1))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="a profile of 'm' is being taken"):
        await one.take("m", "", 1, 1)
    worker.may.set()
    await first
    await one.take("m", "", 1, 1)


async def test_what_the_worker_refuses_is_told_as_it_is():
    refused = Profiled(code=Code.UNSUPPORTED, message="the echo runtime has no profiler")
    with pytest.raises(Unsupported, match="the echo runtime has no profiler"):
        await taker(Worker(refused)).take("m", "", 1, 1)
    with pytest.raises(Unavailable, match="no worker to profile"):
        await taker().take("m", "", 1, 1)
