"""What every frontend is made of, wherever it lives: a routing table, its connections to the
workers, and the data plane over them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from server.admission import Admission, AdmissionBounds
from server.dataplane import ServingDataPlane
from server.routing.messages import FromFrontend, LoadAdded, Welcome, WorkerJoined
from server.routing.table import RoutingTable, Workers
from server.workers.balancer import Balancer


class FrontendCore:
    """One frontend's table and data plane; `tell` takes what the gateway is to know."""

    def __init__(self, welcome: Welcome, tell: Callable[[FromFrontend], None]) -> None:
        self._welcome = welcome
        self.table = RoutingTable(self._make_workers, tell)
        bounds = welcome.bounds
        admission = Admission(
            AdmissionBounds(bounds.rows, bounds.bytes, bounds.model_rows, bounds.model_bytes)
        )
        self.data = ServingDataPlane(self.table, admission, welcome.required)

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
