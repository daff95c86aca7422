"""Lets calls in or refuses them, by the rules that hold in this process."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from runtimes.contract.codes import Code
from server.access.credentials import credentials
from server.access.rules import Needs, Rules, admit
from server.errors import ServingError, Unauthenticated

_LOG_EVERY = 1.0
"""Seconds between lines of the log: whoever guesses tokens must not fill it."""

_BEARER = 'Bearer realm="underway"'
_BASIC = 'Basic realm="underway", charset="UTF-8"'
"""Alone where browsers come: they do not see it behind another in one header."""

log = structlog.get_logger()

Count = Callable[[str, Code], None]
"""Takes the door at which a call was refused, such as `rest`, and why."""


class Access:
    """One for each process. `rules` are None where everybody may do everything."""

    def __init__(self, rules: Rules | None, count: Count) -> None:
        self.rules = rules
        self._count = count
        self._silent_until = 0.0
        self._unsaid = 0

    def follow(self, rules: Rules) -> None:
        """Go by other rules from here on."""
        self.rules = rules

    def check(self, door: str, needs: Needs, header: str, *, basic: bool = False) -> None:
        """Return where the caller who sent `header` as its Authorization may do what needs one of
        `needs`; with `basic` it may be a browser.

        Raises Unauthenticated or PermissionDenied, counted and now and then logged.
        """
        if self.rules is None or not needs:
            return
        try:
            admit(self.rules, needs, credentials(header, basic=basic))
        except ServingError as error:
            if isinstance(error, Unauthenticated):
                error.told = {"www-authenticate": _BASIC if basic else _BEARER}
            self._count(door, error.code)
            self._say(door, error)
            raise

    def _say(self, door: str, error: ServingError) -> None:
        now = time.monotonic()
        if now < self._silent_until:
            self._unsaid += 1
            return
        log.warning("refused", door=door, reason=error.message, others=self._unsaid)
        self._silent_until, self._unsaid = now + _LOG_EVERY, 0


def open_to_all() -> Access:
    """Refuses nobody, for what is behind another door."""
    return Access(None, lambda _door, _code: None)
