"""What clients may switch while the server runs: which requests are traced, and what is logged.

The gateway keeps both and tells every frontend, the ones to come as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from server.routing.messages import LogIs, TraceIs
from server.telemetry.log_settings import LogRules, changed, log_settings
from server.telemetry.settings_words import Changes, Setting
from server.telemetry.trace_settings import TraceBook


class Telling(Protocol):
    """What is needed of the publisher."""

    def switch(self, message: TraceIs | LogIs) -> None:
        """Tell every frontend, in place of what was told of the same."""

    async def gather(self) -> None:
        """Return when all that was told is in force everywhere."""


class Switches:
    """Answers the trace and the logging extension; `logs` is what holds at the start, and `log_so`
    has this process log otherwise.
    """

    def __init__(
        self,
        telling: Telling,
        logs: LogRules,
        log_so: Callable[[LogRules], None],
        *,
        tracing: bool,
    ) -> None:
        self._telling = telling
        self._log_so = log_so
        self._traces = TraceBook(exporting=tracing)
        self._start = self._logs = logs
        telling.switch(TraceIs(self._traces.rules()))

    async def trace(self, model: str, changes: Changes) -> dict[str, Setting]:
        """The trace settings of `model`, or of the server where it is "", after `changes`."""
        if changes:
            self._traces.change(model, changes)
            self._telling.switch(TraceIs(self._traces.rules()))
            await self._telling.gather()
        return self._traces.settings(model)

    async def log(self, changes: Changes) -> dict[str, Setting]:
        """The log settings after `changes`."""
        if changes:
            self._logs = changed(self._logs, self._start, changes)
            self._log_so(self._logs)
            self._telling.switch(LogIs(self._logs))
            await self._telling.gather()
        return log_settings(self._logs)
