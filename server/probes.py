"""The gateway's own answer to probes: what it knows itself, without asking any frontend."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from server.errors import Unavailable
from server.lifecycle.model import Model
from server.naming import resolve, unknown_model
from server.readiness import Standing, is_ready


class GatewayProbes:
    """See planes.Probes; `models` are those of the lifecycle, `required` those named by settings.

    `listening` tells whether clients can come in at all.
    """

    def __init__(
        self, models: Mapping[str, Model], required: Collection[str], listening: Callable[[], bool]
    ) -> None:
        self._models = models
        self._required = required
        self._listening = listening
        self._started = False
        self._stopping = False

    def started(self) -> None:
        """The models found at the start were given their chance."""
        self._started = True

    def stop_admitting(self) -> None:
        """Be not ready from here on."""
        self._stopping = True

    def live(self) -> bool:
        """True: where the gateway's loop stands still, nobody is answered."""
        return True

    def ready(self) -> bool:
        """True while clients can come in and enough models answer, until the server stops."""
        if self._stopping or not self._listening():
            return False
        wanting = (model for model in self._models.values() if model.wanted)
        standings = (
            Standing(model.name, model.settings.required, _answers(model)) for model in wanting
        )
        return is_ready(standings, self._required, self._started)

    def model_ready(self, model: str, version: str) -> bool:
        """True when that version, or the default one, has a worker to ask."""
        there = self._models.get(model)
        if there is None:
            raise unknown_model(model)
        try:
            pool = resolve(model, version, there.routes, there.known).pool
        except Unavailable:
            return False
        return pool is not None and pool.is_ready


def _answers(model: Model) -> bool:
    load = model.routes.get("")
    return load is not None and load.pool is not None and load.pool.is_ready
