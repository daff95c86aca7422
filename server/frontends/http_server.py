"""Runs one ASGI application on uvicorn inside the gateway's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from server.frontends.closing import Closing
from server.frontends.http_protocol import BoundedProtocol
from server.frontends.whole_request import WholeDoor
from server.tls.certificates import HANDSHAKE_TIMEOUT

KEEP_ALIVE_S = 75
"""How long a connection may lie idle: longer than the 60 s after which most proxies and client
pools drop theirs, so that none of them sends into a connection that is just being closed.
"""


_FAREWELL_TIMEOUT = 300.0
"""Seconds that a closed connection over TLS has for what is still to be sent; a slow client may
have a large answer to take.
"""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the gateway decides when each part stops."""

    def __init__(self, config: uvicorn.Config, tls: ssl.SSLContext | None) -> None:
        super().__init__(config)
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on `sockets`; as uvicorn's, which has no bounds for TLS."""
        bounds = (HANDSHAKE_TIMEOUT, _FAREWELL_TIMEOUT) if self._tls else (None, None)
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(
                self._connection, sock=sock, backlog=self.config.backlog, ssl=self._tls,
                ssl_handshake_timeout=bounds[0], ssl_shutdown_timeout=bounds[1],
            )
            for sock in sockets or ()
        ]  # fmt: skip
        self.started = True

    def _connection(self) -> asyncio.Protocol:
        make = cast(type[BoundedProtocol], self.config.http_protocol_class)
        return make(self.config, self.server_state, {})

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signals alone."""
        yield


class HttpServer:
    """Listens from `start` to `stop`; when it stops, requests in flight get the grace to finish."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        closing: Closing,
        *,
        door: WholeDoor | None = None,
        reuse_port: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Bind to `port`; several processes may share it only with `reuse_port`. OSError when it
        is taken. `door` takes small requests past the framework and the server. With `tls`
        nothing else is spoken there.
        """
        self._socket = _bind(host, port, reuse_port)
        self._protocol = _protocol(closing, door)
        self._server = _Server(
            uvicorn.Config(
                cast(Any, app),  # uvicorn and Starlette spell the same ASGI types apart
                http=self._protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # No header from outside is believed about who asks, and none is looked for.
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=max(1, round(closing.grace)),
            ),
            tls,
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port really bound, also where any free one was asked for."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def is_stopping(self) -> bool:
        """True once no new client is taken."""
        return self._protocol.stopping

    async def start(self) -> None:
        """Begin to accept; returns once connections are answered."""
        self._task = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not self._task.done():  # no event
            await asyncio.sleep(0.005)
        if self._task.done():
            await self._task

    async def stop(self, grace: float | None = None) -> None:
        """Accept no more, finish what is in flight, close; `grace` in place of that given first."""
        if grace is not None:
            self._server.config.timeout_graceful_shutdown = max(1, round(grace))
        self._protocol.stopping = True
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        for connection in list(self._server.server_state.connections):
            cast(BoundedProtocol, connection).give_up()
        self._socket.close()


def _protocol(rules: Closing, way: WholeDoor | None) -> type[BoundedProtocol]:
    """The protocol of one server; uvicorn makes one object of it for each connection."""

    class Protocol(BoundedProtocol):
        closing = rules
        door = way

    return Protocol


def _bind(host: str, port: int, reuse_port: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(reuse_port))
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
