"""The application that a frontend inside Envoy serves: REST and gRPC over the gateway's routes.

Loaded by `server.envoy_process`. It comes to the gateway's door when Envoy starts it, and ends the
process when told to, after what is in flight, and at once when the gateway is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from pathlib import Path

import structlog
from starlette.types import Receive, Scope, Send

from server.envoy_process import DOOR
from server.frontends.calls import Servicer, service_names
from server.frontends.grpc_asgi import GrpcAsgi
from server.frontends.health import HealthServicer
from server.frontends.limits import limits_of
from server.frontends.one_door import OneDoor
from server.frontends.reflection import ReflectionServicer
from server.frontends.rest import create_app
from server.frontends.servicers import all_servicers
from server.hosting.client import GatewayClient, attach
from server.hosting.envoy_admin import EnvoyAdmin, admin_path
from server.hosting.envoy_tls import asks_clients, clear_secrets, secrets_folder
from server.routing.messages import Welcome
from server.telemetry.logs import configure_logs

log = structlog.get_logger()


class EnvoyFrontend:
    """An ASGI application; its lifespan is that of the frontend."""

    def __init__(self, door: Path) -> None:
        self._door_path = door
        self._admin = EnvoyAdmin(admin_path(door))
        self._stopping = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "http":
            await self._door(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            client = await attach(str(self._door_path))
        except OSError as error:
            await send({"type": "lifespan.startup.failed", "message": f"no gateway: {error}"})
            return
        self._build(client)
        serving = asyncio.create_task(self._serve(client))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        serving.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    def _build(self, client: GatewayClient) -> None:
        welcome = client.welcome
        configure_logs(welcome.log_level, welcome.log_format)
        structlog.contextvars.bind_contextvars(frontend=welcome.number)
        limits = limits_of(welcome)
        protocols = all_servicers(client.data, client.control, limits)
        self._health = HealthServicer(client.data, service_names(protocols))
        known: list[Servicer] = [*protocols, self._health]
        servicers = [*known, ReflectionServicer(service_names(known))]
        rest = create_app(client.data, client.control, limits, client.access)
        self._door = OneDoor(rest, GrpcAsgi(servicers, limits, self._stopping, client.access))

    async def _serve(self, client: GatewayClient) -> None:
        """From when Envoy listens until this process ends."""
        try:
            await self._serve_until_told(client)
        except OSError as error:
            log.error("Envoy cannot serve; ending at once", reason=str(error))
            os._exit(1)

    async def _serve_until_told(self, client: GatewayClient) -> None:
        await self._admin.listening()
        await self._check_tls()
        gc.collect()
        gc.freeze()  # as in the gateway: collections leave out what was there at the start
        client.listening()
        reason = await client.ended()
        log.debug("frontend is stopping", reason=reason)
        self._stopping.set()
        self._health.stop()
        if not client.is_attached:
            # Without a gateway there are no workers either, and nothing in flight can end well.
            await client.close()
            self._clear_away()
            os._exit(0)
        await self._drain(client.welcome)
        await client.close()
        await self._admin.quit()

    async def _check_tls(self) -> None:
        """Raise OSError where Envoy has no certificate. The files were good when this process
        began; where they were not when Envoy read them, it would hang up on everybody from now on.
        """
        folder = secrets_folder(self._door_path)
        if folder.exists() and not await self._admin.has_certificates(
            of_clients=asks_clients(folder)
        ):
            raise OSError("the certificate's files changed meanwhile, and cannot be used")

    async def _drain(self, welcome: Welcome) -> None:
        await self._admin.drain()
        # Clients that ask again and again learn in an answer that it was the last.
        await asyncio.sleep(welcome.linger)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(welcome.drain_timeout):
                await self._admin.idle()

    def _clear_away(self) -> None:
        """Take away the sockets of a gateway that had no time to do it."""
        with contextlib.suppress(OSError):
            clear_secrets(secrets_folder(self._door_path))
            admin_path(self._door_path).unlink(missing_ok=True)
            self._door_path.unlink(missing_ok=True)
            self._door_path.parent.rmdir()


app = EnvoyFrontend(Path(os.environ[DOOR]))
