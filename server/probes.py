"""The gateway's own answer to probes: what it knows itself, without asking any frontend."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from server.errors import Unavailable
from server.lifecycle.model import Model
from server.naming import resolve, unknown_model
from server.readiness import Standing, is_ready


class GatewayProbes:
    """See planes.Probes; `models` are those of the lifecycle, `required` those named by settings.

    `listening` tells whether clients can come in at all, `in_force` whether every frontend has
    taken up what a model's routes are now: before, it would refuse what the gateway could answer.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        required: Collection[str],
        listening: Callable[[], bool],
        in_force: Callable[[str], bool],
    ) -> None:
        self._models = models
        self._required = required
        self._listening = listening
        self._in_force = in_force
        self._reached: set[str] = set()
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
            Standing(model.name, model.settings.required, self._answers(model)) for model in wanting
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

    def _answers(self, model: Model) -> bool:
        load = model.routes.get("")
        if load is None or load.pool is None:
            self._reached.discard(model.name)
            return False
        # From then on it is answered all the time: by the old routes until the new are in force.
        if model.name not in self._reached and self._in_force(model.name):
            self._reached.add(model.name)
        return model.name in self._reached and load.pool.is_ready
