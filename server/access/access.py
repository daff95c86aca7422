"""Lets calls in or refuses them, by the rules that hold in this process."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from runtimes.contract.codes import Code
from server.access.credentials import credentials
from server.access.rules import Needs, Rules, admit, is_open
from server.errors import ServingError, Unauthenticated
from server.repository.names import shown

_LOG_EVERY = 1.0
"""Seconds between lines of the log of one door: whoever guesses tokens must not fill it."""

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
        self._silences: dict[str, _Silence] = {}

    def follow(self, rules: Rules) -> None:
        """Go by other rules from here on."""
        self.rules = rules

    def admits(self, needs: Needs, header: str) -> bool:
        """Whether `check` would return; nothing is counted or said."""
        try:
            self._admit(needs, header, basic=False)
        except ServingError:
            return False
        return True

    def check(
        self,
        door: str,
        call: str,
        needs: Needs,
        header: str,
        *,
        peer: str = "",
        basic: bool = False,
    ) -> None:
        """Return where the caller who sent `header` as its Authorization may do what needs one of
        `needs`; with `basic` it may be a browser. `call` and `peer` are for the log.

        Raises Unauthenticated or PermissionDenied, counted and now and then logged.
        """
        try:
            self._admit(needs, header, basic=basic)
        except ServingError as error:
            if isinstance(error, Unauthenticated):
                error.told = {"www-authenticate": _BASIC if basic else _BEARER}
            self._count(door, error.code)
            self._say(door, call, peer, error)
            raise

    def _admit(self, needs: Needs, header: str, *, basic: bool) -> None:
        if self.rules is not None and not is_open(self.rules, needs):
            admit(self.rules, needs, credentials(header, basic=basic))

    def _say(self, door: str, call: str, peer: str, error: ServingError) -> None:
        silence = self._silences.setdefault(door, _Silence())
        now = time.monotonic()
        if now < silence.until:
            silence.unsaid += 1
            return
        log.warning("refused", door=door, call=shown(call), peer=peer, reason=error.message,
                    others=silence.unsaid)  # fmt: skip
        silence.until, silence.unsaid = now + _LOG_EVERY, 0


class _Silence:
    """Until when nothing more is said of a door, and how often it was not."""

    __slots__ = ("unsaid", "until")

    def __init__(self) -> None:
        self.unsaid = 0
        self.until = 0.0


def open_to_all() -> Access:
    """Refuses nobody, for what is behind another door."""
    return Access(None, lambda _door, _code: None)
