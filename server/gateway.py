"""The only place that builds things: starts a server's parts bottom up and stops them top down."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import structlog
from starlette.types import ASGIApp

from server.access.access import Access
from server.access.file import AccessFileError, read_access_file, rules_in
from server.access.rules import Rules
from server.access.watch import AccessWatch
from server.admission import AdmissionBounds
from server.config import ConfigError, FrontendKind, ModelControl, Settings
from server.console.routes import MAX_BYTES, About, console_routes
from server.controlplane import ServingControlPlane
from server.cpus import available_cpus, frontends_for
from server.dataplane import ServingDataPlane
from server.following import Following
from server.frontend_fleet import FrontendsOutside
from server.frontend_inside import FrontendInside, listen
from server.frontends.admin import create_admin_app
from server.frontends.closing import Closing
from server.frontends.gate import Gate, Gated
from server.frontends.http_server import HttpServer
from server.frontends.operator_guard import OperatorGuard
from server.frontends.rest_rights import operators_needs
from server.lifecycle.history import History
from server.lifecycle.loading import Loader, Supplied
from server.lifecycle.manager import LifecycleManager
from server.lifecycle.observation import Observation
from server.loop_watch import LoopWatch
from server.model_config import batching_defaults, reload_folders, served_set
from server.probes import GatewayProbes
from server.profiling import ProfileTaker
from server.replacing import Replacing
from server.repository.background import in_background
from server.routing.messages import AccessIs, Bounds, Welcome
from server.routing.publisher import Publisher
from server.stores import Stores
from server.supply import Supply
from server.switches import Switches
from server.telemetry.compat import MetricsCompat
from server.telemetry.lag import LagMeter
from server.telemetry.log_settings import rules_of
from server.telemetry.logs import use_log_rules
from server.telemetry.recorder import Recorders
from server.tls.certificates import Certificates, open_certificates
from server.tls.files import TlsFileError
from server.workers.pool import PoolLimits, WorkerPool
from server.workers.supervision import HeartbeatLimits
from server.workers.zygote import Zygotes

log = structlog.get_logger()

STOP_GRACE = 10.0
HEARTBEAT = 1.0
CONTROL_SLACK = 60.0
"""Seconds a load or unload call gets beyond the load and the drain it may have to wait for."""
BREATH = 0.02
"""Seconds between the steps of a swap. Each step is a burst of work that requests have to wait out
where CPUs are few; after a pause they wait for one burst at a time, not for all of them."""

LINGER = 1.0
"""Seconds in which, at the stop, idle connections still take up a request and answer it with the
word that it was the last. Without a drain delay there is none: nobody waits for anything then."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the server listens, ports as really bound."""

    host: str
    http_port: int
    grpc_port: int
    metrics_port: int


class Frontends(Protocol):
    """All that answers clients, in this process or in others.

    `data` answers in this process, whatever the others do, and `access` lets in here.
    """

    data: ServingDataPlane
    access: Access

    @property
    def are_listening(self) -> bool:
        """True while clients can come in."""

    async def start(self) -> tuple[int, int]:
        """Listen; the REST and the gRPC port. Raises ConfigError."""

    def stop_admitting(self) -> None:
        """Be not ready from here on."""

    async def stop(self) -> None:
        """Take no more requests and finish those in flight."""


class Gateway:
    """The parts of one running server, in the order they start."""

    def __init__(self, settings: Settings, zygotes: Zygotes) -> None:
        """Raises ConfigError. `zygotes` are owned here from now on."""
        self._settings = settings
        self._certificates = _certificates(settings)
        bounds = _bounds(settings)
        observation = Observation(bounds, settings.max_in_flight, settings.metrics_compat)
        recorders, meter = observation.recorders, observation.meter
        if (certificates := self._certificates) is not None:
            observation.watch_certificate(lambda: certificates.current.facts.expires_at)
        self._publisher = Publisher(recorders.add)
        self._lag = LagMeter(recorders.late)
        served = served_set(settings)
        named = served.models if served is not None else ()
        self._stores = Stores(settings, named, observation.repositories)
        self._supply = Supply(
            self._stores.roots, available_cpus(), settings.quiet_period, meter,
            served=served, batching=batching_defaults(settings),
            repositories=observation.repositories,
            stores_may_wait=settings.model_control is not ModelControl.NONE,
            bases=self._stores.bases,
        )  # fmt: skip
        self._zygotes = zygotes
        pool_limits = _pool_limits(settings)

        def make_pool(supplied: Supplied) -> WorkerPool:
            return WorkerPool(
                supplied.spec, supplied.devices, self._zygotes, pool_limits,
                lambda: in_background(supplied.unchanged, "look-again"),
                lambda reason: recorders.restarted(
                    supplied.spec.model, supplied.spec.version, reason
                ),
            )  # fmt: skip

        history = History(meter)
        self._manager = LifecycleManager(
            Loader(self._supply.find, make_pool, recorders, breath=BREATH),
            history,
            self._publisher,
            drain_timeout=settings.drain_timeout,
            load_retries=settings.load_retries,
            retry_first=settings.load_retry_delay,
            breath=BREATH,
        )
        self._following = Following(settings, self._supply, self._manager)
        replacing = None
        if served is not None:
            replacing = Replacing(
                served, self._supply, self._manager, self._following.rescan, self._publisher,
                folders=reload_folders(settings, served.models), timeout=settings.load_timeout,
                labels_may_wait=settings.allow_labels_of_unavailable_versions,
            )  # fmt: skip
        switches = Switches(
            self._publisher, rules_of(settings.log_level), use_log_rules, tracing=settings.tracing
        )
        control = ServingControlPlane(
            self._manager, self._supply, history, settings.model_control, self._following.rescan,
            self._publisher, observation, switches,
            ProfileTaker(self._manager.find, pool_limits.max_message_bytes), replacing,
        )  # fmt: skip
        self._access_watch = _follow_access(settings.access_file, self._publisher)
        self._frontends = _make_frontends(
            settings, self._publisher, control, recorders, self._certificates
        )
        self._probes = GatewayProbes(
            self._manager.models,
            settings.required_models,
            lambda: self._frontends.are_listening,
            self._publisher.in_force,
        )
        self._loop_watch = LoopWatch(settings.silence_timeout)
        operators = _operators_app(settings, self._frontends, control, self._probes)
        self._metrics = listen(
            "metrics-port", settings.metrics_port,
            lambda: HttpServer(
                operators, settings.host, settings.metrics_port, Closing(grace=1.0),
                tls=self._certificates.operators if self._certificates else None,
            ),
        )  # fmt: skip

    async def start(self) -> Addresses:
        """Listen, and begin to load what the repositories hold."""
        self._loop_watch.start()
        self._lag.start()
        if self._certificates is not None:
            self._certificates.start()
        if self._access_watch is not None:
            self._access_watch.start()
        await self._metrics.start()
        # Side by side: frontends of their own take a moment to start, and so do models.
        listening = asyncio.ensure_future(self._listen())
        following = asyncio.ensure_future(self._following.start())
        try:
            await asyncio.gather(listening, following)
        finally:
            listening.cancel()
            following.cancel()
        return listening.result()

    async def settle(self) -> None:
        """Wait until every model found at the start is READY or FAILED, those of a store that could
        not be read yet included.
        """
        await self._following.seen()
        await self._manager.settled()
        self._publisher.started()
        await self._publisher.applied()
        self._probes.started()
        states = [v.state.value for v in self._manager.versions()]
        log.info("all models settled", ready=states.count("READY"), failed=states.count("FAILED"))

    async def _listen(self) -> Addresses:
        http_port, grpc_port = await self._frontends.start()
        addresses = Addresses(self._settings.host, http_port, grpc_port, self._metrics.port)
        log.info("listening", host=addresses.host, rest=addresses.http_port, grpc=grpc_port,
                 metrics=addresses.metrics_port,
                 **({"tls": True} if self._certificates is not None else {}))  # fmt: skip
        return addresses

    def stop_admitting(self) -> bool:
        """Be not ready from here on; True where it was ready until now."""
        was_ready = self._probes.ready()
        self._probes.stop_admitting()
        self._frontends.stop_admitting()
        return was_ready

    async def stop(self) -> None:
        """Not ready; finish what is in flight; end the workers."""
        self.stop_admitting()
        await self._following.stop()
        if self._certificates is not None:
            self._certificates.stop()
        await self._frontends.stop()
        await self._manager.stop()
        await self._zygotes.stop()
        await self._metrics.stop()
        self._loop_watch.stop()
        if self._access_watch is not None:
            await self._access_watch.stop()
        await self._lag.stop()
        self._stores.close()
        log.info("stopped")


def _pool_limits(settings: Settings) -> PoolLimits:
    return PoolLimits(
        max_in_flight=settings.max_in_flight,
        # An answer may be larger than its request; frontends refuse what is too large to send.
        max_message_bytes=settings.max_message_bytes * 2,
        load_timeout=settings.load_timeout,
        stop_grace=STOP_GRACE,
        heartbeat=HeartbeatLimits(HEARTBEAT, settings.silence_timeout, settings.busy_timeout),
    )


def _follow_access(path: Path | None, publisher: Publisher) -> AccessWatch | None:
    """Tells frontends who may do what, where a file says so. Raises ConfigError."""
    if path is None:
        return None
    try:
        content = read_access_file(path)
        rules = rules_in(content)
    except AccessFileError as error:
        raise ConfigError(f"access-file: {error}") from None

    def tell(rules: Rules) -> None:
        publisher.switch(AccessIs(rules))

    tell(rules)
    return AccessWatch(path, content, tell)


def _bounds(settings: Settings) -> AdmissionBounds:
    return AdmissionBounds(
        settings.max_in_flight_rows, settings.max_in_flight_bytes,
        settings.max_model_in_flight_rows, settings.max_model_in_flight_bytes,
    )  # fmt: skip


def _certificates(settings: Settings) -> Certificates | None:
    """What the server's own TLS is said with. Raises ConfigError."""
    try:
        return open_certificates(settings.tls)
    except TlsFileError as error:
        raise ConfigError(str(error)) from None


def _operators_app(
    settings: Settings, frontends: Frontends, control: ServingControlPlane, probes: GatewayProbes
) -> ASGIApp:
    """What answers on the metrics port: operators' routes and their console."""
    about = About(
        version("underway"), settings.model_control, settings.server_timing,
        min(MAX_BYTES, settings.max_message_bytes),
    )  # fmt: skip
    app = create_admin_app(control, probes, console_routes(frontends.data, control, about))
    gate = Gate(frontends.access, "operators", operators_needs, basic=True)
    return OperatorGuard(Gated(app, gate), settings.host)


def _make_frontends(
    settings: Settings,
    publisher: Publisher,
    control: ServingControlPlane,
    recorders: Recorders,
    certificates: Certificates | None,
) -> Frontends:
    """One frontend in Python lives in this process; others each have their own."""
    count = settings.frontends or frontends_for(available_cpus())
    bounds = _bounds(settings).share(count)
    welcome = Welcome(
        number=0,
        host=settings.host,
        http_port=settings.http_port,
        grpc_port=settings.grpc_port,
        max_message_bytes=settings.max_message_bytes,
        server_version=version("underway"),
        drain_timeout=settings.drain_timeout,
        worker_in_flight=max(1, settings.max_in_flight // count),
        bounds=Bounds(bounds.rows, bounds.bytes, bounds.model_rows, bounds.model_bytes),
        load_timeout=settings.load_timeout + settings.drain_timeout + CONTROL_SLACK,
        server_timing=settings.server_timing,
        tf_serving_metrics=MetricsCompat.TF_SERVING in settings.metrics_compat,
        log_level=settings.log_level,
        log_format=settings.log_format,
        required=settings.required_models,
        max_connection_age=settings.max_connection_age,
        linger=min(LINGER, settings.drain_delay),
        frontends=count,
        tracing=settings.tracing,
        access_log_rate=settings.access_log_rate,
        tls=settings.tls,
        guarded=settings.access_file is not None,
    )
    if count == 1 and settings.frontend is FrontendKind.PYTHON:
        return FrontendInside(settings, welcome, publisher, control, certificates)
    return FrontendsOutside(settings, count, welcome, publisher, control, recorders, certificates)
