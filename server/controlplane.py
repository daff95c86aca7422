"""What clients may see and ask of the repository: its index, and to load and unload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from server.errors import Unsupported
from server.lifecycle.manager import LifecycleManager
from server.lifecycle.states import State
from server.planes import IndexEntry


class ServingControlPlane:
    """Answers for one lifecycle manager; see planes.ControlPlane."""

    def __init__(self, manager: LifecycleManager) -> None:
        self._manager = manager

    def index(self, ready_only: bool) -> Sequence[IndexEntry]:
        """Every known model version, by name and version; a model without any is one line."""
        entries: list[IndexEntry] = []
        for name, model in sorted(self._manager.models.items()):
            if not model.versions and not ready_only:
                entries.append(IndexEntry(name, "", State.FAILED.value, model.error))
            for number, version in sorted(model.versions.items()):
                if version.state is State.READY or not ready_only:
                    state, reason = version.state.value, version.reason
                    entries.append(IndexEntry(name, str(number), state, reason))
        return entries

    async def load(self, model: str, parameters: Mapping[str, str | bool | int | bytes]) -> None:
        """Refused: this server follows its repository and takes no orders over the network."""
        raise _control_is_off()

    async def unload(self, model: str, unload_dependents: bool) -> None:
        """Refused, as `load` is."""
        raise _control_is_off()


def _control_is_off() -> Unsupported:
    return Unsupported(
        "explicit model load / unload is not allowed: this server loads what its model "
        "repository holds when it starts. Change the repository and restart it"
    )
