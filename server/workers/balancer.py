"""A frontend's connections to the workers of one load: each request goes to the least loaded."""

from __future__ import annotations

import socket

from runtimes.contract.messages import Result
from runtimes.contract.tensor import Tensor
from server.errors import RETRY_AFTER, Overloaded, Unavailable
from server.naming import not_ready
from server.workers.connection import WorkerConnection
from server.workers.memory import share_memory


class Balancer:
    """`max_in_flight` is how many requests this frontend may have in one worker."""

    def __init__(
        self, model: str, version: int, max_in_flight: int, max_message_bytes: int
    ) -> None:
        self._model = model
        self._version = version
        self._max_in_flight = max_in_flight
        self._max_message_bytes = max_message_bytes
        self._connections: list[WorkerConnection] = []
        self.trouble = ""

    @property
    def is_ready(self) -> bool:
        """True while at least one worker can be asked."""
        return bool(self._connections)

    async def add(self, name: str, sock: socket.socket) -> None:
        """Ask one more worker, by `sock`, which is owned here, until it goes away."""
        made: list[WorkerConnection] = []

        def lost() -> None:
            if made and made[0] in self._connections:
                self._connections.remove(made[0])

        connection = await WorkerConnection.open(
            sock, name, self._max_message_bytes, lambda: None, lost, share_memory(sock)
        )
        made.append(connection)
        if not connection.is_lost:
            self._connections.append(connection)

    async def infer(
        self,
        inputs: tuple[Tensor, ...],
        outputs: tuple[str, ...],
        deadline_ns: int,
        priority: int = 0,
        signature: str = "",
    ) -> Result:
        """The answer of the least loaded worker; Overloaded when all are at their bound."""
        connections = self._connections
        if not connections:
            raise Unavailable(
                f"{not_ready(self._model, self._version)}: "
                f"{self.trouble or 'its worker is being restarted'}",
                retry_after=RETRY_AFTER,
            )
        least = min(connections, key=_load_of) if len(connections) > 1 else connections[0]
        if least.in_flight >= self._max_in_flight:
            raise Overloaded(
                f"Exceeds maximum queue size: {least.in_flight} requests in flight for "
                f"'{self._model}', max_in_flight is {self._max_in_flight}",
                retry_after=RETRY_AFTER,
                reason="worker",
            )
        return await least.infer(inputs, outputs, deadline_ns, priority, signature)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            connection.close()


def _load_of(connection: WorkerConnection) -> int:
    return connection.in_flight
