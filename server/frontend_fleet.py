"""Several frontends, each in a process of its own, on ports that they share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

import server
from server import envoy_process
from server.config import ConfigError, FrontendKind, Settings
from server.frontend_inside import listen
from server.hosting.door import Door, Session
from server.hosting.envoy_tls import secrets_folder, tell_of_renewal, write_secrets
from server.hosting.fleet import FrontendFleet, FrontendStartError
from server.hosting.inside import CoreInside
from server.hosting.ports import port_of, reserve
from server.planes import ControlPlane
from server.routing.messages import Welcome
from server.routing.publisher import Publisher
from server.telemetry.recorder import Recorders
from server.tls.certificates import Certificates

START_TIMEOUT = 60.0
OWN_IN_FLIGHT = 4
"""Requests that the gateway itself, for the console, may have in one worker."""


class FrontendsOutside:
    """The fleet with its ports and its door to the gateway."""

    def __init__(
        self,
        settings: Settings,
        count: int,
        welcome: Welcome,
        publisher: Publisher,
        control: ControlPlane,
        recorders: Recorders,
        certificates: Certificates | None = None,
    ) -> None:
        if settings.frontend is FrontendKind.ENVOY and (reason := envoy_process.missing()):
            raise ConfigError(f"frontend: envoy cannot be used: {reason}")
        self._settings = settings
        self._count = count
        self._recorders = recorders
        self._certificates = certificates
        host = settings.host
        self._ports = [
            listen("http-port", settings.http_port, lambda: reserve(host, settings.http_port)),
            listen("grpc-port", settings.grpc_port, lambda: reserve(host, settings.grpc_port)),
        ]
        self._http_port, self._grpc_port = map(port_of, self._ports)
        told = msgspec.structs.replace(
            welcome, http_port=self._http_port, grpc_port=self._grpc_port
        )
        self._door = Door(
            publisher, control, lambda number: msgspec.structs.replace(told, number=number),
            self._came, self._went,
        )  # fmt: skip
        self._fleet: FrontendFleet | None = None
        self._own = CoreInside(
            publisher, msgspec.structs.replace(told, worker_in_flight=OWN_IN_FLIGHT)
        )
        self.data, self.access = self._own.data, self._own.access

    @property
    def are_listening(self) -> bool:
        """True while at least one of them answers clients."""
        return any(session.listening.is_set() for session in self._door.sessions)

    async def start(self) -> tuple[int, int]:
        """Return, with the REST and the gRPC port, when all frontends listen. ConfigError."""
        # -P: nothing from the working directory; the path: the same code as this, wherever it lies.
        command = [sys.executable, "-P", "-m", *self._program(self._door.open())]
        environment = {"PYTHONPATH": str(Path(server.__file__).parents[1])}
        self._fleet = FrontendFleet(
            command, environment, self._count, self._settings.silence_timeout,
            self._recorders.frontend_restarted,
        )  # fmt: skip
        try:
            await self._fleet.start(START_TIMEOUT)
        except FrontendStartError as error:
            raise ConfigError(f"frontends: {error}; the log says more") from None
        return self._http_port, self._grpc_port

    def _program(self, door: Path) -> list[str]:
        """The module that a frontend runs, and its arguments."""
        if self._settings.frontend is FrontendKind.PYTHON:
            return ["server.frontend_process", str(door)]
        # As a number: what was reserved is what is listened on.
        address = self._ports[0].getsockname()[0]
        ports = [str(self._http_port), str(self._grpc_port)]
        age = str(self._settings.max_connection_age)
        return ["server.envoy_process", str(door), address, *ports, age, *self._tls_of_envoy(door)]

    def _tls_of_envoy(self, door: Path) -> Sequence[str]:
        """The further arguments; Envoy is told where the files are, and of renewals."""
        if self._certificates is None:
            return ()
        folder, files = secrets_folder(door), self._certificates.files
        write_secrets(folder, files)
        self._certificates.on_renewal(lambda: tell_of_renewal(folder))
        return files.certificate, files.key, files.client_ca

    def stop_admitting(self) -> None:
        """Have all be not ready from here on."""
        for session in self._door.sessions:
            session.pause()

    async def stop(self) -> None:
        """Have all finish what is in flight, and end."""
        if self._fleet is not None:
            await self._fleet.stop(self._settings.drain_timeout)
        self._door.close()
        await self._own.close()
        for sock in self._ports:
            sock.close()

    def _came(self, session: Session) -> None:
        if self._fleet is not None:
            self._fleet.came(session)

    def _went(self, session: Session) -> None:
        self._recorders.frontend_gone(session.number)
        if self._fleet is not None:
            self._fleet.went(session)
