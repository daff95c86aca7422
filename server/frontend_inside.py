"""The one frontend that lives in the gateway's own process and event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TypeVar

from server.config import ConfigError, Settings
from server.frontends.closing import Closing
from server.frontends.grpc import GrpcFrontend
from server.frontends.http_server import HttpServer
from server.frontends.limits import limits_of
from server.frontends.rest import create_app
from server.frontends.servicers import all_servicers
from server.hosting.inside import CoreInside
from server.planes import ControlPlane
from server.routing.messages import Welcome
from server.routing.publisher import Publisher
from server.tls.certificates import Certificates

Bound = TypeVar("Bound")


class FrontendInside:
    """REST and gRPC over a table that the publisher fills directly."""

    def __init__(
        self,
        settings: Settings,
        welcome: Welcome,
        publisher: Publisher,
        control: ControlPlane,
        certificates: Certificates | None = None,
    ) -> None:
        self._settings = settings
        self._listening = False
        self._core = CoreInside(publisher, welcome)
        self.data, self.access = self._core.data, self._core.access
        limits = limits_of(welcome)
        closing = Closing(welcome.max_connection_age, welcome.drain_timeout, welcome.linger)
        rest = create_app(self.data, control, limits, self.access)
        self._rest = listen(
            "http-port", settings.http_port,
            lambda: HttpServer(
                rest, settings.host, settings.http_port, closing, door=rest.door,
                tls=certificates.clients if certificates else None,
            ),
        )  # fmt: skip
        servicers = all_servicers(self.data, control, limits)
        self._grpc = GrpcFrontend(
            servicers, self.data, limits, self.access, closing=closing, certificates=certificates
        )

    @property
    def are_listening(self) -> bool:
        """True once it listens: it ends with the gateway."""
        return self._listening

    async def start(self) -> tuple[int, int]:
        """Listen; the REST and the gRPC port. Raises ConfigError."""
        await self._rest.start()
        try:
            grpc_port = await self._grpc.start(self._settings.host, self._settings.grpc_port)
        except (OSError, RuntimeError):
            raise ConfigError(taken("grpc-port", self._settings.grpc_port)) from None
        self._listening = True
        return self._rest.port, grpc_port

    def stop_admitting(self) -> None:
        """Be not ready from here on."""
        self.data.stop_admitting()

    async def stop(self) -> None:
        """Finish what is in flight."""
        await asyncio.gather(self._rest.stop(), self._grpc.stop(self._settings.drain_timeout))
        await self._core.close()


def listen(setting: str, port: int, bind: Callable[[], Bound]) -> Bound:
    """What `bind` gives; ConfigError naming `setting` where the port cannot be had."""
    try:
        return bind()
    except socket.gaierror as error:
        raise ConfigError(f"host: cannot be used as an address ({error.strerror})") from None
    except OSError as error:
        raise ConfigError(f"{taken(setting, port)} ({error.strerror})") from None


def taken(setting: str, port: int) -> str:
    """The sentence for a port that cannot be had."""
    return f"{setting}: cannot listen on port {port}; choose another, or 0 for any free port"
