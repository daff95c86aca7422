"""Named checks and the flavours of client they hold for; standard library only, for pytest too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

HTTP = ("http", "http-aio")
GRPC = ("grpc", "grpc-aio")
ALL = (*HTTP, *GRPC)

Body = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Check:
    """What must be true of a server, asked through one client."""

    name: str
    flavours: tuple[str, ...]
    body: Body


class Checks:
    """The checks of one module, in the order written."""

    def __init__(self) -> None:
        self._checks: list[Check] = []

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)

    def on(self, *flavours: str) -> Callable[[Body], Body]:
        """Register a check for these flavours, all of them if none is named."""

        def register(body: Body) -> Body:
            self._checks.append(Check(body.__name__, flavours or ALL, body))
            return body

        return register


async def failure(asked: Awaitable[object]) -> Exception:
    """The exception that `asked` ends with; ending well is the failure here."""
    try:
        answer = await asked
    except Exception as error:
        return error
    raise AssertionError(f"expected a refusal, got {answer}")
