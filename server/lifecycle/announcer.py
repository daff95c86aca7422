"""What the lifecycle needs of whoever carries requests: to be told of routes, and to say when a
load that has lost them is not in use any more.
"""

from __future__ import annotations

from typing import Protocol

from server.lifecycle.model import Model
from server.lifecycle.version import ModelVersion


class Announcer(Protocol):
    """Tells every frontend. None of its answers depends on how many there are."""

    def announce(self, model: Model) -> None:
        """The model's routes, loads or versions may have changed; takes effect as a whole."""

    def withdraw(self, model: Model) -> None:
        """The model is not known any more."""

    async def applied(self) -> None:
        """Return once all that was announced is in force everywhere, or nearly: not much later."""

    async def drained(self, load: ModelVersion) -> None:
        """Return once no frontend uses a load that was announced as leaving."""

    def users(self, load: ModelVersion) -> int:
        """How many frontends still use it, or have not yet said that they do not."""
