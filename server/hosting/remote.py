"""The control plane of a frontend in a process of its own: every call asks the gateway."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence

from runtimes.contract.codes import Code
from server.errors import DeadlineExceeded, Overloaded, Unavailable, error_for
from server.hosting.answering import MOST_QUESTIONS, Result
from server.planes import IndexEntry
from server.repository.served import ServedModel
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
    FromFrontend,
    IndexIs,
    MetricsAre,
    Question,
    Refused,
    SettingsAre,
    StatisticsAre,
    Withdraw,
)
from server.statistics import ModelStatistics
from server.telemetry.settings_words import Changes, Setting


class RemoteControlPlane:
    """Answers come by `answered`; see planes.ControlPlane. Times are seconds."""

    def __init__(
        self, tell: Callable[[FromFrontend], None], control_timeout: float, load_timeout: float
    ) -> None:
        self._tell = tell
        self._control_timeout = control_timeout
        self._load_timeout = load_timeout
        self._ids = itertools.count(1)
        self._open: dict[int, asyncio.Future[Result]] = {}
        self._gone = False

    async def index(self, ready_only: bool) -> Sequence[IndexEntry]:
        """Every known model version."""
        found = await self._ask(AskIndex(ready_only), self._control_timeout)
        return found.entries if isinstance(found, IndexIs) else ()

    async def statistics(self, model: str, version: str) -> Sequence[ModelStatistics]:
        """Totals over all frontends."""
        found = await self._ask(AskStatistics(model, version), self._control_timeout)
        return found.totals if isinstance(found, StatisticsAre) else ()

    async def tf_serving_metrics(self) -> bytes:
        """The metrics under TensorFlow Serving's names."""
        found = await self._ask(AskTfServingMetrics(), self._control_timeout)
        return found.text if isinstance(found, MetricsAre) else b""

    async def trace_settings(self, model: str, changes: Changes) -> Mapping[str, Setting]:
        """The trace settings after `changes`."""
        found = await self._ask(AskTrace(model, dict(changes)), self._control_timeout)
        return found.settings if isinstance(found, SettingsAre) else {}

    async def log_settings(self, changes: Changes) -> Mapping[str, Setting]:
        """The log settings after `changes`."""
        found = await self._ask(AskLog(dict(changes)), self._control_timeout)
        return found.settings if isinstance(found, SettingsAre) else {}

    async def load(self, model: str, parameters: Mapping[str, str | bool | int | bytes]) -> None:
        """Load or reload `model`."""
        binary = tuple(name for name, value in parameters.items() if isinstance(value, bytes))
        plain = {name: v for name, v in parameters.items() if not isinstance(v, bytes)}
        await self._ask(AskLoad(model, plain, binary), self._load_timeout)

    async def unload(self, model: str, unload_dependents: bool) -> None:
        """Unload `model`."""
        await self._ask(AskUnload(model, unload_dependents), self._load_timeout)

    async def replace_models(self, models: Sequence[ServedModel]) -> None:
        """Serve just these models."""
        await self._ask(AskReplace(tuple(models)), self._load_timeout)

    def answered(self, answer: Answer) -> None:
        """What the gateway says."""
        future = self._open.pop(answer.id, None)
        if future is None or future.done():
            return
        if isinstance(answer.result, Refused):
            error = error_for(Code(answer.result.code), answer.result.message)
            error.retry_after = answer.result.retry_after
            future.set_exception(error)
        else:
            future.set_result(answer.result)

    def close(self) -> None:
        """The gateway is gone: end every question."""
        self._gone = True
        for future in self._open.values():
            if not future.done():
                future.set_exception(Unavailable("the server is stopping"))
        self._open.clear()

    async def _ask(self, question: Question, timeout: float) -> Result:
        if self._gone:
            raise Unavailable("the server is stopping")
        if len(self._open) >= MOST_QUESTIONS:
            raise Overloaded("too many control calls are open", retry_after=1.0)
        id = next(self._ids)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._open[id] = future
        self._tell(Ask(id, question))
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            raise DeadlineExceeded(f"the gateway did not answer within {timeout:g} s") from None
        finally:
            if self._open.pop(id, None) is not None:
                self._tell(Withdraw(id))
