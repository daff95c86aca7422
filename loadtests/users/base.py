"""What users of all protocols have in common: the two loops, the check, and what Locust is told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import gevent
import gevent.pool
import numpy as np
from locust import User, task
from locust.exception import StopUser

from loadtests.generator.plan import schedule
from loadtests.samples.discover import DiscoveryError, Model
from loadtests.samples.sample import Answers, Sample
from loadtests.users.catalogue import DEFAULT_HOST, models_at
from loadtests.users.options import Options
from loadtests.users.watch import WATCH

LAST_ANSWERS = 30.0
"""Seconds for what an open loop has under way at the end: left out, a stall would not be seen."""

PAUSE = 1.0


class Refused(Exception):
    """The server did not answer with what was asked for."""


class WrongAnswer(Exception):
    """The server answered, and it can't be right."""


Call = TypeVar("Call")


@dataclass(frozen=True, slots=True)
class Question(Generic[Call]):
    """A sample, ready to be sent."""

    model: Model
    sample: Sample
    call: Call


class ModelUser(User, Generic[Call]):
    """Asks all models the samples there are for them, in turn by chance.

    In an open loop one user is a stream of `--rate-per-user` requests per second that waits for
    no answer; the streams of all users add up.
    """

    abstract = True
    host = DEFAULT_HOST
    protocol: ClassVar[str]
    _prepared: ClassVar[tuple[Sequence[Model], Sequence[Question[Any]]]] = ((), ())

    def encode(self, model: Model, sample: Sample) -> Call | None:
        """The sample as it is sent; None where the protocol can't say it."""
        raise NotImplementedError

    def exchange(self, question: Question[Call]) -> tuple[Answers, int]:
        """Send it; what came, and its bytes. Raises Refused, ValueError, KeyError or OSError."""
        raise NotImplementedError

    def connect(self, options: Options) -> None:
        """Make ready to send."""
        raise NotImplementedError

    def on_start(self) -> None:
        """Find out what to ask; a failure counts as one request that failed, and is shown so."""
        self._pool: gevent.pool.Pool | None = None
        began = time.monotonic()
        try:
            self.options = Options.of(self.environment.parsed_options)
            self.connect(self.options)
            self.questions = self._prepare(models_at(str(self.host), self.options))
        except (DiscoveryError, ValueError) as error:
            self._report("discovery", began, 0, error)
            gevent.sleep(PAUSE)  # Locust starts another at once
            raise StopUser from None

    def on_stop(self) -> None:
        """Wait for what is still under way."""
        if self._pool is not None:
            self._pool.join(LAST_ANSWERS)

    @task
    def send(self) -> None:
        """One request of a closed loop, or an open loop until the user is stopped."""
        moments = self.options.moments
        if moments is None:
            index = np.random.randint(len(self.questions))
            WATCH.sent(0.0)
            self._ask(self.questions[index], time.monotonic())
            return
        start = time.monotonic()
        seed = int(np.random.SeedSequence().generate_state(1)[0])
        self._pool = gevent.pool.Pool(self.options.in_flight)
        for at, index in schedule(self.options.rate, moments, len(self.questions), seed):
            due = start + at
            free = time.monotonic()  # later than due where the server held all places
            gevent.sleep(max(0.0, due - free))
            WATCH.sent(time.monotonic() - max(due, free))
            self._pool.spawn(self._ask, self.questions[index], due)

    def _prepare(self, models: Sequence[Model]) -> Sequence[Question[Call]]:
        """All samples as calls, made once for all users of a class."""
        kind = type(self)
        if kind._prepared[0] is not models:
            calls = [(m, s, self.encode(m, s)) for m in models for s in m.samples]
            found = [Question(m, s, call) for m, s, call in calls if call is not None]
            if not found:
                raise DiscoveryError(f"no model can be asked by {self.protocol}")
            kind._prepared = (models, found)
        return kind._prepared[1]

    def _ask(self, question: Question[Call], intended: float) -> None:
        """One request; its latency is from `intended` (monotonic seconds)."""
        length = 0
        failure: Exception | None = None
        try:
            answers, length = self.exchange(question)
            done = time.monotonic()
            complaint = question.sample.check(answers)
            if complaint:
                failure = WrongAnswer(complaint)
        except (Refused, OSError) as error:
            done, failure = time.monotonic(), error
        except (ValueError, KeyError, TypeError) as error:
            done = time.monotonic()
            failure = WrongAnswer(f"not an answer of this protocol: {type(error).__name__} {error}")
        self._report(question.model.name, intended, length, failure, done)

    def _report(
        self, name: str, began: float, length: int, failure: Exception | None, done: float = 0.0
    ) -> None:
        latency = (done or time.monotonic()) - began
        self.environment.events.request.fire(
            request_type=self.protocol, name=name, response_time=latency * 1000,
            response_length=length, response=None, context=self.context(), exception=failure,
            start_time=time.time() - latency, url=None,
        )  # fmt: skip
