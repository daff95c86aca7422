"""A gateway's door with a control plane that does as the test says, and real frontends at it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from server.hosting.client import GatewayClient, attach
from server.hosting.door import Door, Session
from server.planes import IndexEntry
from server.repository.served import ServedModel
from server.routing.messages import Bounds, Welcome
from server.statistics import Duration, ModelStatistics
from tests.unit.server.routing.routing_world import World

WELCOME = Welcome(
    number=0, host="127.0.0.1", http_port=1, grpc_port=2, max_message_bytes=1024,
    server_version="9.9", drain_timeout=5.0, worker_in_flight=4,
    bounds=Bounds(rows=8, bytes=800, model_rows=8, model_bytes=800),
)  # fmt: skip


@dataclass
class Control:
    """`failure` is raised by every call, `hang` holds them."""

    failure: Exception | None = None
    hang: bool = False
    loaded: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    unloaded: list[tuple[str, bool]] = field(default_factory=list)
    replaced: list[tuple[ServedModel, ...]] = field(default_factory=list)
    hanging: int = 0
    cancelled: int = 0

    async def index(self, ready_only: bool) -> Sequence[IndexEntry]:
        await self._call()
        return [IndexEntry("m", "1", "READY"), IndexEntry("n", "", "FAILED", "torn")][
            : 1 if ready_only else 2
        ]

    async def statistics(self, model: str, version: str) -> Sequence[ModelStatistics]:
        await self._call()
        return [ModelStatistics(model, 7, success=Duration(3, 30))]

    async def tf_serving_metrics(self) -> bytes:
        await self._call()
        return b"# EOF"

    async def trace_settings(self, model, changes):
        await self._call()
        return {"model": model, **{k: v for k, v in changes.items() if v is not None}}

    async def log_settings(self, changes):
        await self._call()
        return {name: value is None for name, value in changes.items()}

    async def load(self, model, parameters) -> None:
        await self._call()
        self.loaded.append((model, parameters))

    async def unload(self, model, unload_dependents) -> None:
        await self._call()
        self.unloaded.append((model, unload_dependents))

    async def replace_models(self, models) -> None:
        await self._call()
        self.replaced.append(tuple(models))

    async def _call(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self.hang:
            self.hanging += 1
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise


class Gateway(World):
    """A world of routing with a door to it."""

    def __init__(self, welcome: Welcome = WELCOME) -> None:
        super().__init__()
        self.control = Control()
        self.came: list[Session] = []
        self.went: list[Session] = []
        self.door = Door(
            self.publisher, self.control, lambda number: welcome, self.came.append,
            self.went.append,
        )  # fmt: skip
        self.path = str(self.door.open())

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[GatewayClient]:
        client = await attach(self.path)
        try:
            yield client
        finally:
            await client.close()


async def until(condition) -> None:
    """Wait until `condition` is true."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)
