"""A frontend process's end of the channel to the gateway: planes to build servers on."""

from __future__ import annotations

import asyncio
import socket

import msgspec
import structlog

from server.access.access import Access
from server.dataplane import ServingDataPlane
from server.hosting.core import FrontendCore
from server.hosting.remote import RemoteControlPlane
from server.routing.channel import Channel
from server.routing.messages import (
    PROTOCOL,
    AccessIs,
    Answer,
    Counted,
    FromFrontend,
    FromGateway,
    Hello,
    Listening,
    LogIs,
    Pause,
    Serve,
    Stop,
    Stopped,
    Tell,
    TraceIs,
    Welcome,
    WorkerJoined,
)
from server.routing.receiver import Receiver
from server.routing.table import TableMessage
from server.telemetry.counts import Latency
from server.telemetry.lag import LagMeter
from server.telemetry.log_settings import LogRules
from server.telemetry.logs import use_log_rules

log = structlog.get_logger()

_FLUSH_WAIT = 2.0
_DECODER = msgspec.msgpack.Decoder(FromGateway)


async def attach(path: str) -> GatewayClient:
    """Connect to the gateway at the unix socket `path` and return when the whole routing table is
    here. Raises OSError where there is no gateway, or it goes away.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, path)
    except BaseException:
        sock.close()
        raise
    client = GatewayClient(sock)
    try:
        await client.attached()
    except BaseException:
        await client.close()
        raise
    return client


class GatewayClient:
    """One frontend process as it sees the gateway; belongs to the event loop that made it."""

    welcome: Welcome
    data: ServingDataPlane
    access: Access
    control: RemoteControlPlane
    log_rules: LogRules | None = None
    """What was asked for since the gateway started, None for what it started with."""

    def __init__(self, sock: socket.socket) -> None:
        self._channel = Channel(sock, _DECODER, self._received, self._lost)
        self._receiver = Receiver(self._join, self._apply)
        self._core: FrontendCore | None = None
        self._serve = asyncio.Event()
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._lag = LagMeter(self._report)
        self._tell(Hello(PROTOCOL))

    async def attached(self) -> None:
        """Return when everything there is was told. Raises ConnectionError."""
        waiting = asyncio.ensure_future(self._serve.wait())
        try:
            await asyncio.wait((waiting, self._ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if not self._serve.is_set():
            raise ConnectionError(f"the gateway did not let this frontend in: {await self.ended()}")

    def listening(self) -> None:
        """Tell the gateway that clients are answered from here on."""
        self._tell(Listening())
        self._lag.start()

    async def ended(self) -> str:
        """Return, with the reason, when this frontend is to stop: it was told to, or the gateway is
        gone.
        """
        return await asyncio.shield(self._ended)

    @property
    def is_attached(self) -> bool:
        """True while the gateway is there."""
        return not self._channel.is_closed

    def stop_admitting(self) -> None:
        """Be not ready from here on."""
        if self._core is not None:
            self._core.data.stop_admitting()

    async def close(self) -> None:
        """Hand over the last counts and let go of everything."""
        await self._lag.stop()
        self._receiver.close()
        if self._core is not None:
            await self._core.flush()
            self._tell(Counted(0, self._core.table.report()))
            self._core.table.close()
        self._tell(Stopped())
        await self._channel.flushed(_FLUSH_WAIT)
        self._channel.close()
        self._end("closed")

    # ---- from the gateway ----------------------------------------------------------------------

    def _received(self, message: FromGateway, sock: socket.socket | None) -> None:
        if isinstance(message, Welcome):
            self._begin(message)
        elif isinstance(message, Answer):
            self.control.answered(message)
        else:
            self._receiver.received(message, sock)

    def _begin(self, welcome: Welcome) -> None:
        self.welcome = welcome
        self._core = FrontendCore(welcome, self._tell)
        self.data, self.access = self._core.data, self._core.access
        self.control = RemoteControlPlane(self._tell, welcome.control_timeout, welcome.load_timeout)

    def _apply(self, message: FromGateway) -> None:
        if self._core is None:
            raise ValueError(f"{type(message).__name__} before Welcome")
        if isinstance(message, TableMessage):
            self._core.table.apply(message)
        elif isinstance(message, Tell):
            self._tell(Counted(message.number, self._core.table.report()))
        elif isinstance(message, TraceIs | AccessIs):
            self._core.switch(message)
        elif isinstance(message, LogIs):
            self.log_rules = message.rules
            use_log_rules(message.rules)
        elif isinstance(message, Serve):
            self._serve.set()
        elif isinstance(message, Pause):
            self.stop_admitting()
        elif isinstance(message, Stop):
            self._end("the gateway asked to")

    async def _join(self, message: WorkerJoined, sock: socket.socket) -> None:
        if self._core is not None:
            await self._core.join(message, sock)

    def _lost(self) -> None:
        self._end("the gateway is gone")

    def _end(self, reason: str) -> None:
        self.stop_admitting()
        if not self._ended.done():
            self._ended.set_result(reason)
        if self._channel.is_closed and self._core is not None:
            self.control.close()

    # ---- to the gateway ------------------------------------------------------------------------

    def _tell(self, message: FromFrontend) -> None:
        self._channel.send(message)

    def _report(self, lag: Latency) -> None:
        """Tell what was counted, about every second: a killed frontend loses no more than that."""
        if self._core is not None:
            report = msgspec.structs.replace(self._core.table.report(), lag=lag)
            self._tell(Counted(0, report))
