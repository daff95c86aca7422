"""Which batches a profile captures, with a profiler that only takes note."""

from __future__ import annotations

import queue
import threading

import pytest

from runtimes.contract.codes import Code
from runtimes.contract.messages import Profile, Profiled
from runtimes.profiling import AT_A_TIME, FAILED, Profiling
from runtimes.runtime import ModelError

SECOND = 10**9


class Profiler:
    """Takes note of what is asked of it."""

    file_name = "fake.json"

    def __init__(self) -> None:
        self.capturing = False
        self.calls: list[str] = []
        self.failing = ""

    def start(self) -> None:
        self._call("start")
        self.capturing = True

    def stop(self) -> None:
        self.capturing = False
        self._call("stop")

    def trace(self, max_bytes: int) -> bytes:
        self._call("trace")
        return b"t" * max_bytes

    def close(self) -> None:
        self.calls.append("close")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.failing:
            raise RuntimeError("broken inside")


class World:
    """The thread that computes, in steps; `answers` are what the gateway is sent."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.now = 0
        self.profilers: list[Profiler] = []
        self.failing = ""
        self.refusal = refusal
        self.answers: queue.Queue[Profiled] = queue.Queue()
        self.nudged = threading.Semaphore(0)
        self.profiling = Profiling(self, self.answers.put, self.nudged.release, lambda: self.now)

    def profiler(self) -> Profiler:
        if self.refusal is not None:
            raise self.refusal
        made = Profiler()
        made.failing = self.failing
        self.profilers.append(made)
        return made

    def ask(self, batches: int, seconds: float = 300.0) -> None:
        self.profiling.ask(Profile(batches, seconds, 4))
        assert self.nudged.acquire(timeout=20)
        self.turn(0)

    def turn(self, batches: int) -> list[bool]:
        """One nudge, or some batches; whether each was captured."""
        captured = []
        for _ in range(batches or 1):
            if self.profiling.under_way:
                self.profiling.before()
            if batches:
                captured.append(any(one.capturing for one in self.profilers))
                if self.profiling.under_way:
                    self.profiling.after()
        return captured

    def answer(self) -> Profiled:
        return self.answers.get(timeout=20)


def test_just_as_many_batches_are_captured_as_were_asked_for():
    world = World()
    world.ask(2)
    (profiler,) = world.profilers
    assert world.turn(3) == [True, True, False]
    assert world.answer() == Profiled("fake.json", b"tttt")
    assert not world.profiling.under_way
    assert profiler.calls[:3] == ["start", "stop", "trace"]


def test_a_profile_ends_with_what_came_in_its_time():
    world = World()
    world.ask(5, seconds=10)
    world.turn(1)
    world.now = 10 * SECOND
    world.turn(0)
    assert world.answer() == Profiled("fake.json", b"tttt")
    assert world.turn(1) == [False]


def test_a_profile_of_nothing_says_what_to_do():
    world = World()
    world.ask(5, seconds=10)
    world.now = 10 * SECOND
    world.turn(0)
    answer = world.answer()
    assert answer.code is Code.UNAVAILABLE
    assert "no batch was computed within 10 s; send requests" in answer.message


def test_one_is_taken_at_a_time_and_the_next_after_it():
    world = World()
    world.ask(1)
    world.profiling.ask(Profile(1, 1.0, 4))
    assert world.answer() == Profiled(code=Code.OVERLOADED, message=AT_A_TIME)
    world.turn(1)
    assert world.answer().code is None
    world.ask(1)
    world.turn(1)
    assert world.answer().code is None


@pytest.mark.parametrize("failing", ["start", "stop", "trace"])
def test_a_profiler_that_breaks_is_given_up_and_the_worker_serves_on(failing, capfd):
    world = World()
    world.failing = failing
    world.ask(1)
    world.turn(1)
    assert world.answer() == Profiled(code=Code.INTERNAL, message=FAILED)
    assert world.turn(1) == [False]
    world.failing = ""
    world.ask(1)
    world.turn(1)
    assert world.answer().code is None


def test_a_runtime_without_a_profiler_refuses():
    world = World(ModelError("the echo runtime has no profiler"))
    world.profiling.ask(Profile(1, 1.0, 4))
    refused = Profiled(code=Code.UNSUPPORTED, message="the echo runtime has no profiler")
    assert world.answer() == refused
    assert not world.profiling.under_way


def test_a_profile_that_is_asked_for_ends_by_itself():
    world = World()
    world.ask(1, seconds=0.01)
    assert world.nudged.acquire(timeout=20)  # the timer's
