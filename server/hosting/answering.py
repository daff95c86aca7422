"""Answers what frontends ask the gateway on behalf of their clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from server.errors import Internal, ServingError
from server.planes import ControlPlane
from server.routing.messages import (
    Answer,
    Ask,
    AskIndex,
    AskLoad,
    AskLog,
    AskReplace,
    AskStatistics,
    AskTfServingMetrics,
    AskTrace,
    AskUnload,
    Done,
    IndexIs,
    MetricsAre,
    Question,
    Refused,
    SettingsAre,
    StatisticsAre,
)

log = structlog.get_logger()

MOST_QUESTIONS = 256
"""Questions of one frontend that may be open; more are refused."""

Result = Done | IndexIs | StatisticsAre | MetricsAre | SettingsAre | Refused

_Reply = Callable[[Answer], None]


async def answer(control: ControlPlane, question: Question) -> Result:
    """What the client is to be told, be it a refusal."""
    try:
        return await _answer(control, question)
    except ServingError as error:
        return refusal(error)
    except Exception:
        log.exception("a control call failed unexpectedly. This is a bug.")
        return refusal(Internal("internal error; see the server's log"))


async def _answer(control: ControlPlane, question: Question) -> Result:
    match question:
        case AskIndex(ready_only=ready_only):
            return IndexIs(tuple(await control.index(ready_only)))
        case AskStatistics(model=model, version=version):
            return StatisticsAre(tuple(await control.statistics(model, version)))
        case AskTfServingMetrics():
            return MetricsAre(await control.tf_serving_metrics())
        case AskTrace(model=model, changes=changes):
            return SettingsAre(dict(await control.trace_settings(model, changes)))
        case AskLog(changes=changes):
            return SettingsAre(dict(await control.log_settings(changes)))
        case AskLoad(model=model, parameters=parameters, binary=binary):
            await control.load(model, {**parameters, **dict.fromkeys(binary, b"")})
        case AskUnload(model=model, dependents=dependents):
            await control.unload(model, dependents)
        case AskReplace(models=models):
            await control.replace_models(models)
    return Done()


def refusal(error: ServingError) -> Refused:
    """An error as it travels."""
    return Refused(error.code.value, error.message, error.retry_after)


class OpenQuestions:
    """The questions of one frontend that are being answered."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control
        self._tasks: dict[int, asyncio.Task[Result]] = {}

    def ask(self, ask: Ask, reply: _Reply) -> None:
        """Answer by `reply`, unless it is withdrawn before."""
        if len(self._tasks) >= MOST_QUESTIONS or ask.id in self._tasks:
            reply(Answer(ask.id, Refused("OVERLOADED", "too many control calls are open", 1.0)))
            return
        task = asyncio.ensure_future(answer(self._control, ask.question))
        self._tasks[ask.id] = task
        task.add_done_callback(lambda done: self._done(ask.id, done, reply))

    def withdraw(self, id: int) -> None:
        """Nobody waits for it any more."""
        if (task := self._tasks.get(id)) is not None:
            task.cancel()

    def close(self) -> None:
        """Answer nothing more."""
        for task in self._tasks.values():
            task.cancel()

    def _done(self, id: int, task: asyncio.Task[Result], reply: _Reply) -> None:
        del self._tasks[id]
        if not task.cancelled():
            reply(Answer(id, task.result()))
