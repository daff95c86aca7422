"""A supply over real folders, with the real manager and loads that end when the test says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from server.repository.batching_defaults import BatchingDefaults
from server.repository.served_set import ServedSet
from server.repository.settings import ModelSettings
from server.repository.store_bases import StoreBases
from server.supply import Supply
from server.telemetry.lifecycle import LifecycleMeter
from tests.unit.server.lifecycle.doubles import make_manager, turn


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def add(root: Path, model: str, *versions: int, yaml: str = "", artifact: str = "model.onnx"):
    for version in versions:
        folder = root / model / str(version)
        folder.mkdir(parents=True)
        (folder / artifact).write_bytes(b"weights")
    (root / model).mkdir(exist_ok=True)
    if yaml:
        (root / model / "model.yaml").write_text(yaml)


class World:
    """A supply over folders, and a lifecycle manager whose loads end when told to."""

    def __init__(
        self,
        *roots: Path,
        quiet_period: float = 0.0,
        served: ServedSet | None = None,
        batching: BatchingDefaults | None = None,
        bases: StoreBases | None = None,
    ) -> None:
        self.registry = CollectorRegistry()
        self.supply = Supply(
            roots,
            4,
            quiet_period,
            LifecycleMeter(self.registry),
            served=served,
            batching=batching,
            bases=bases,
            stores_may_wait=True,
        )
        self.manager, self.loader, self.clock, self.history = make_manager(retries=0)

    async def look(self) -> list[dict[str, object]]:
        """Announce what is there now; what was logged."""
        with capture_logs() as logs:
            self.supply.announce(self.supply.scan(), self.manager)
            await turn()
        return logs

    async def load_all(self) -> None:
        while self.loader.pending:
            for id in list(self.loader.pending):
                self.loader.succeed(id)
            await turn()

    async def fail_all(self) -> None:
        for id in list(self.loader.pending):
            self.loader.fail(id)
        await turn()

    def wanted(self) -> dict[str, tuple[int, ...]]:
        return {name: model.wanted for name, model in self.manager.models.items() if model.wanted}

    def errors(self) -> dict[str, str]:
        return {name: model.error for name, model in self.manager.models.items() if model.error}

    def serving(self, name: str) -> tuple[int, ...]:
        return self.manager.models[name].serving

    def changed_in_place(self, model: str) -> float | None:
        name = "underway_versions_changed_in_place_total"
        return self.registry.get_sample_value(name, {"model": model})

    def spec(self, name: str, version: int, **settings: object):
        return self.supply.find(ModelSettings(name, **settings), version).spec


# ---- announce -----------------------------------------------------------------------------------
