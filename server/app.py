"""The only place that builds things: starts the gateway bottom up and stops it top down."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import structlog
from prometheus_client import CollectorRegistry

from server.config import ConfigError, ModelControl, Settings
from server.controlplane import ServingControlPlane
from server.cpus import available_cpus
from server.dataplane import ServingDataPlane
from server.errors import InvalidArgument
from server.frontends.admin import create_admin_app
from server.frontends.grpc import GrpcFrontend
from server.frontends.http_server import HttpServer
from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.servicer import OpenInferenceServicer
from server.frontends.rest import create_app
from server.lifecycle.history import History
from server.lifecycle.loading import Loader, Supplied
from server.lifecycle.manager import LifecycleManager
from server.repository.background import in_background
from server.repository.errors import RepositoryError
from server.repository.listing import RepositoryListing
from server.repository.watcher import RepositoryWatcher
from server.supply import Supply
from server.telemetry.lifecycle import LifecycleMeter
from server.telemetry.recorder import Recorders
from server.workers.pool import PoolLimits, WorkerPool
from server.workers.supervision import HeartbeatLimits
from server.workers.zygote import Zygotes

log = structlog.get_logger()

IMPORT_TIMEOUT = 120.0
STOP_GRACE = 10.0
HEARTBEAT = 1.0
BREATH = 0.02
"""Seconds between the steps of a swap. Each step is a burst of work that requests have to wait out
where CPUs are few; after a pause they wait for one burst at a time, not for all of them."""

START_LOOKS = 5
"""Looks at the repositories before the start goes on without what is still being written."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the server listens, ports as really bound."""

    host: str
    http_port: int
    grpc_port: int
    metrics_port: int


class Gateway:
    """The parts of one running server, in the order they start."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        registry = CollectorRegistry()
        recorders = Recorders(registry)
        meter = LifecycleMeter(registry)
        self._supply = Supply(
            settings.model_repositories, available_cpus(), settings.quiet_period, meter
        )
        self._zygotes = Zygotes(settings.runtime_pythons, IMPORT_TIMEOUT)
        pool_limits = _pool_limits(settings)

        def make_pool(supplied: Supplied) -> WorkerPool:
            return WorkerPool(
                supplied.spec, supplied.devices, self._zygotes, pool_limits,
                lambda: in_background(supplied.unchanged, "look-again"),
            )  # fmt: skip

        history = History(meter)
        self._manager = LifecycleManager(
            Loader(self._supply.find, make_pool, recorders, breath=BREATH),
            history,
            drain_timeout=settings.drain_timeout,
            load_retries=settings.load_retries,
            retry_first=settings.load_retry_delay,
            breath=BREATH,
        )
        self._data = ServingDataPlane(self._manager, recorders)
        polls = settings.model_control is ModelControl.POLL
        self._watcher = RepositoryWatcher(
            self._supply.scan,
            self._take_up,
            settings.poll_interval if polls else 0,
            settings.model_repositories,
        )
        control = ServingControlPlane(
            self._manager, self._supply, history, settings.model_control, self._watcher.rescan
        )
        limits = FrontendLimits(settings.max_message_bytes, version("underway"))
        host, grace = settings.host, settings.drain_timeout
        admin = create_admin_app(control, registry)
        self._metrics = _listen(
            "metrics-port", settings.metrics_port,
            lambda: HttpServer(admin, host, settings.metrics_port, 1),
        )  # fmt: skip
        rest = create_app(self._data, control, limits)
        self._rest = _listen(
            "http-port", settings.http_port,
            lambda: HttpServer(rest, host, settings.http_port, grace),
        )  # fmt: skip
        servicer = OpenInferenceServicer(self._data, control, limits)
        self._grpc = GrpcFrontend([servicer], self._data, limits)

    async def start(self) -> Addresses:
        """Listen, and begin to load what the repositories hold."""
        await self._metrics.start()
        await self._rest.start()
        try:
            grpc_port = await self._grpc.start(self._settings.host, self._settings.grpc_port)
        except (OSError, RuntimeError):
            raise ConfigError(_taken("grpc-port", self._settings.grpc_port)) from None
        addresses = Addresses(self._settings.host, self._rest.port, grpc_port, self._metrics.port)
        log.info("listening", host=addresses.host, rest=addresses.http_port, grpc=grpc_port,
                 metrics=addresses.metrics_port)  # fmt: skip
        await self._follow_repositories()
        return addresses

    async def settle(self) -> None:
        """Wait until every model found at the start is READY or FAILED."""
        await self._manager.settled()
        self._data.note_started()
        states = [v.state.value for v in self._manager.versions()]
        log.info("all models settled", ready=states.count("READY"), failed=states.count("FAILED"))

    async def _follow_repositories(self) -> None:
        """Take up what is there now, and under `poll` whatever comes."""
        for _ in range(START_LOOKS):
            try:
                listing = await in_background(self._supply.scan, "repository-scan")
            except RepositoryError as error:
                raise ConfigError(f"model-repository: {error.reason}") from None
            self._take_up(listing)
            if listing.due is None:
                break
            # Something was written a moment ago: ready shall mean that it is served too.
            await asyncio.sleep(max(0.0, listing.due - time.time()) + 0.05)
        if self._settings.model_control is ModelControl.EXPLICIT:
            self._load_named()
        if self._settings.model_control is not ModelControl.NONE:
            self._watcher.start()

    def _take_up(self, listing: RepositoryListing) -> None:
        """What a new look at the repositories leads to."""
        if self._settings.model_control is ModelControl.EXPLICIT:
            self._supply.note(listing)
        else:
            self._supply.announce(listing, self._manager)

    def _load_named(self) -> None:
        """Under `explicit`: load what --load-model names."""
        for name in self._settings.load_models:
            for one in sorted(self._supply.names()) if name == "*" else [name]:
                try:
                    self._supply.offer(one, self._manager, "--load-model")
                except InvalidArgument as error:
                    raise ConfigError(f"load-model: {error.message}") from None

    def stop_admitting(self) -> None:
        """Be not ready from here on."""
        self._data.stop_admitting()

    async def stop(self) -> None:
        """Not ready; finish what is in flight; end the workers."""
        self._data.stop_admitting()
        await self._watcher.stop()
        await asyncio.gather(self._rest.stop(), self._grpc.stop(self._settings.drain_timeout))
        await self._manager.stop()
        await self._zygotes.stop()
        await self._metrics.stop()
        log.info("stopped")


async def serve(settings: Settings, on_settled: Callable[[Addresses], None] | None = None) -> None:
    """Run a gateway until SIGTERM or SIGINT; `on_settled` is called once models are loaded."""
    stopping = asyncio.Event()

    def asked_to_stop(signal_name: str) -> None:
        if stopping.is_set():
            log.warning("second signal: stopping at once", signal=signal_name)
            # Workers end by themselves when their sockets close.
            os._exit(1)
        gateway.stop_admitting()
        log.info("stopping: finishing what is in flight", signal=signal_name)
        stopping.set()

    gateway = Gateway(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop, number.name)
    try:
        starting = asyncio.ensure_future(_start(gateway, on_settled))
        stop = asyncio.ensure_future(stopping.wait())
        await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.cancel():
            starting.result()
        await stop
        await asyncio.wait({starting})
    finally:
        await gateway.stop()


async def _start(gateway: Gateway, on_settled: Callable[[Addresses], None] | None) -> None:
    addresses = await gateway.start()
    await gateway.settle()
    _set_aside_garbage()
    if on_settled is not None:
        on_settled(addresses)


def _set_aside_garbage() -> None:
    """Leave what is there now out of garbage collections, which would stop requests for 30 ms."""
    gc.collect()
    gc.freeze()


def _pool_limits(settings: Settings) -> PoolLimits:
    return PoolLimits(
        max_in_flight=settings.max_in_flight,
        # An answer may be larger than its request; frontends refuse what is too large to send.
        max_message_bytes=settings.max_message_bytes * 2,
        load_timeout=settings.load_timeout,
        stop_grace=STOP_GRACE,
        heartbeat=HeartbeatLimits(HEARTBEAT, settings.silence_timeout, settings.busy_timeout),
    )


def _listen(setting: str, port: int, bind: Callable[[], HttpServer]) -> HttpServer:
    try:
        return bind()
    except socket.gaierror as error:
        raise ConfigError(f"host: cannot be used as an address ({error.strerror})") from None
    except OSError as error:
        raise ConfigError(f"{_taken(setting, port)} ({error.strerror})") from None


def _taken(setting: str, port: int) -> str:
    return f"{setting}: cannot listen on port {port}; choose another, or 0 for any free port"
