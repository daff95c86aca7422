"""What every frontend is made of, wherever it lives: a routing table, its connections to the
workers, and the data plane over them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from server.access.access import Access
from server.access.rules import NOBODY
from server.admission import Admission, AdmissionBounds
from server.dataplane import ServingDataPlane
from server.repository.background import in_background
from server.routing.messages import (
    AccessIs,
    FromFrontend,
    LoadAdded,
    TraceIs,
    Welcome,
    WorkerJoined,
)
from server.routing.table import RoutingTable, Workers
from server.telemetry.observers import make_observer
from server.workers.balancer import Balancer

FLUSH_WAIT = 3.0


class FrontendCore:
    """One frontend's table, data plane and access; `tell` takes what the gateway is to know."""

    def __init__(self, welcome: Welcome, tell: Callable[[FromFrontend], None]) -> None:
        self._welcome = welcome
        self.table = RoutingTable(self._make_workers, tell)
        self.access = Access(NOBODY if welcome.guarded else None, self.table.refused.failure)
        bounds = welcome.bounds
        admission = Admission(
            AdmissionBounds(bounds.rows, bounds.bytes, bounds.model_rows, bounds.model_bytes)
        )
        self._observer = make_observer(
            tracing=welcome.tracing,
            access_log_rate=welcome.access_log_rate,
            server_version=welcome.server_version,
            frontends=welcome.frontends,
            number=welcome.number,
        )
        self.data = ServingDataPlane(self.table, admission, self._observer, welcome.required)

    def switch(self, told: TraceIs | AccessIs) -> None:
        """Trace requests, or let them in, by other rules from here on."""
        if isinstance(told, AccessIs):
            self.access.follow(told.rules)
        elif self._observer is not None:
            self._observer.follow(told.rules)

    async def flush(self) -> None:
        """Send the traces that are left, but do not wait long where nobody takes them."""
        if self._observer is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_WAIT):
                    await in_background(self._observer.close, "traces")

    async def join(self, joined: WorkerJoined, sock: socket.socket) -> None:
        """Connect to a worker by `sock`, which is owned here. Raises OSError."""
        load = self.table.get(joined.load)
        if load is None or not isinstance(load.workers, Balancer):
            sock.close()
            return
        await load.workers.add(joined.worker, sock)

    def _make_workers(self, added: LoadAdded) -> Workers:
        return Balancer(
            added.settings.name, added.version, self._welcome.worker_in_flight,
            # An answer may be larger than its request; what is too large to send is refused later.
            self._welcome.max_message_bytes * 2,
        )  # fmt: skip
