"""The gRPC server: carries transport-neutral servicers over grpc.aio."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc
import grpc.aio

from server.access.access import Access
from server.frontends.calls import Servicer, service_names
from server.frontends.closing import Closing
from server.frontends.grpc_carrier import GrpcCarrier
from server.frontends.grpc_gate import GrpcGate
from server.frontends.grpc_tls import credentials
from server.frontends.health import HealthServicer
from server.frontends.limits import FrontendLimits
from server.frontends.reflection import ReflectionServicer
from server.planes import DataPlane
from server.tls.certificates import HANDSHAKE_TIMEOUT, Certificates

# gRPC answers a message over its own limit before any of our code runs and cannot name the
# setting. Its limit is therefore this much above ours, and what lies between is refused by us.
_SLACK_BYTES = 16 * 2**20
_MAX_INT32 = 2**31 - 1
_MAX_STREAMS_PER_CONNECTION = 1024


class GrpcFrontend:
    """One listening gRPC server with `servicers`, `grpc.health.v1` and server reflection."""

    def __init__(
        self,
        servicers: Sequence[Servicer],
        data: DataPlane,
        limits: FrontendLimits,
        access: Access,
        *,
        closing: Closing = Closing(),  # noqa: B008  # frozen
        reuse_port: bool = False,
        certificates: Certificates | None = None,
    ) -> None:
        """Answers those whom `access` lets in."""
        self._access = access
        self._closing = closing
        self._certificates = certificates
        self._health = HealthServicer(data, service_names(servicers))
        known = [*servicers, self._health]
        self._servicers = [*known, ReflectionServicer(service_names(known))]
        self._limits = limits
        self._reuse_port = reuse_port
        self._stopping = asyncio.Event()
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port, which matters where `port` is 0; OSError when it is taken.

        Several processes may share a port only with `reuse_port`.
        """
        options = [*_age(self._closing), ("grpc.so_reuseport", int(self._reuse_port))]
        if self._certificates is not None:
            options.append(("grpc.server_handshake_timeout_ms", round(HANDSHAKE_TIMEOUT * 1000)))
        server = create_server(self._servicers, self._limits, self._stopping, self._access, options)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self._certificates is None:
                bound = server.add_insecure_port(address)
            else:
                bound = server.add_secure_port(address, credentials(self._certificates))
        except RuntimeError:
            raise OSError(f"cannot listen for gRPC on {address}; is the port taken?") from None
        await server.start()
        self._server = server
        return bound

    async def stop(self, grace: float) -> None:
        """Say goodbye (GOAWAY) to every connection, take no more calls, let those under way finish
        for `grace` seconds, then cancel them.

        Streams end once what was read from them is answered.
        """
        self._stopping.set()
        self._health.stop()
        if self._server is not None:
            await self._server.stop(grace)


def create_server(
    servicers: Sequence[Servicer],
    limits: FrontendLimits,
    stopping: asyncio.Event,
    access: Access,
    options: Sequence[tuple[str, int]] = (("grpc.so_reuseport", 0),),
) -> grpc.aio.Server:
    """A server that listens nowhere yet; setting `stopping` ends its streams. `options` are gRPC's,
    added to those that always hold."""
    hard_limit = min(limits.max_message_bytes + _SLACK_BYTES, _MAX_INT32)
    server = grpc.aio.server(
        # Without rules there is none, not even one that lets everybody in: it would cost each call.
        interceptors=(GrpcGate(access),) if access.rules is not None else (),
        options=[
            # Also holds for a compressed message once it is unpacked.
            ("grpc.max_receive_message_length", hard_limit),
            # Replies are measured by GrpcCarrier, whose error says more.
            ("grpc.max_send_message_length", -1),
            ("grpc.max_concurrent_streams", _MAX_STREAMS_PER_CONNECTION),
            # Notice clients that vanished, and let clients do the same every 10 s but not faster.
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
            ("grpc.http2.max_ping_strikes", 2),
            *options,
        ],
    )
    carrier = GrpcCarrier(limits.max_message_bytes, stopping)
    for service, methods in _methods(servicers, carrier).items():
        handler = grpc.method_handlers_generic_handler(service, methods)
        server.add_generic_rpc_handlers((handler,))
    return server


def _age(closing: Closing) -> list[tuple[str, int]]:
    """gRPC says GOAWAY at the age, and cuts what is still open after the grace. The jitter is its
    own.
    """
    if not closing.max_age:
        return []
    return [
        ("grpc.max_connection_age_ms", min(_MAX_INT32, round(closing.max_age * 1000))),
        ("grpc.max_connection_age_grace_ms", min(_MAX_INT32, round(closing.grace * 1000))),
    ]


def _methods(
    servicers: Sequence[Servicer], carrier: GrpcCarrier
) -> dict[str, dict[str, grpc.RpcMethodHandler[bytes, bytes]]]:
    """Method handlers by service, then by method name."""
    found: dict[str, dict[str, grpc.RpcMethodHandler[bytes, bytes]]] = {}
    for servicer in servicers:
        for path, unary in servicer.unary.items():
            service, method = _split(path)
            found.setdefault(service, {})[method] = carrier.unary(path, unary)
        for path, stream in servicer.streams.items():
            service, method = _split(path)
            found.setdefault(service, {})[method] = carrier.stream(path, stream)
    return found


def _split(path: str) -> tuple[str, str]:
    """`/service/method` as its two parts."""
    _, service, method = path.split("/")
    return service, method
