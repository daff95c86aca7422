"""The frontend that lives in the gateway's own process: the same routing, without a channel."""

from __future__ import annotations

import socket
from collections.abc import Callable

from server.routing.messages import (
    AccessIs,
    Applied,
    Counted,
    FromFrontend,
    FromGateway,
    Released,
    Tell,
    TraceIs,
)
from server.routing.publisher import Publisher, Subscriber
from server.routing.receiver import Join, Receiver
from server.routing.table import RoutingTable, TableMessage


class DirectLink:
    """Joins a table to a publisher; see publisher.Link."""

    def __init__(self, publisher: Publisher, number: int) -> None:
        self._publisher = publisher
        self._subscriber = Subscriber(number, self)
        self._receiver: Receiver | None = None
        self._table: RoutingTable | None = None
        self._switch: Callable[[TraceIs | AccessIs], None] | None = None

    def attach(
        self, table: RoutingTable, join: Join, switch: Callable[[TraceIs | AccessIs], None]
    ) -> None:
        """Hand everything to `table` from here on, which must tell by `tell`."""
        self._table = table
        self._switch = switch
        self._receiver = Receiver(join, self._apply)
        self._publisher.join(self._subscriber)

    def send(self, message: FromGateway, sock: socket.socket | None = None) -> None:
        """From the gateway to the table."""
        if self._receiver is not None:
            self._receiver.received(message, sock)

    def tell(self, message: FromFrontend) -> None:
        """From the table to the gateway."""
        if isinstance(message, Applied | Released | Counted):
            self._publisher.received(self._subscriber, message)

    def close(self) -> None:
        """Let go of everything."""
        if self._receiver is not None and self._table is not None:
            self.tell(Counted(0, self._table.report()))
            self._receiver.close()
            self._publisher.leave(self._subscriber)
            self._table.close()

    def _apply(self, message: FromGateway) -> None:
        if self._table is None:
            return
        if isinstance(message, Tell):
            self.tell(Counted(message.number, self._table.report()))
        elif isinstance(message, TableMessage):
            self._table.apply(message)
        elif isinstance(message, TraceIs | AccessIs) and self._switch is not None:
            self._switch(message)
