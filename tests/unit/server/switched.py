"""The trace and the logging extension without frontends, for doubles of the control plane."""

from __future__ import annotations

from server.switches import Switches
from server.telemetry.log_settings import rules_of


class Told(list):
    """What frontends would have been told."""

    def switch(self, message) -> None:
        self.append(message)

    async def gather(self) -> None:
        pass


def switches(*, tracing: bool = False, told: Told | None = None) -> Switches:
    """What `told` gets, and, in place of what this process would log, its rules as well."""
    told = Told() if told is None else told
    return Switches(told, rules_of("info"), told.append, tracing=tracing)
