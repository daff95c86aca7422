"""A frontend in a process of its own: `python -m server.frontend_process SOCKET`.

The gateway starts it and says through SOCKET where to listen and who answers what. It ends when
told to, after what is in flight, and at once when the gateway is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from pathlib import Path

import structlog

from server.frontends.closing import Closing
from server.frontends.grpc import GrpcFrontend
from server.frontends.http_server import HttpServer
from server.frontends.limits import limits_of
from server.frontends.rest import create_app
from server.frontends.servicers import all_servicers
from server.hosting.client import GatewayClient, attach
from server.telemetry.logs import configure_logs, use_log_rules
from server.tls.certificates import open_certificates
from server.tls.files import TlsFileError

log = structlog.get_logger()


async def run(path: str) -> None:
    """Serve until told to stop."""
    client = await attach(path)
    try:
        await _serve(client)
    finally:
        killed = not client.is_attached
        await client.close()
        if killed:
            _clear_away(Path(path))


async def _serve(client: GatewayClient) -> None:
    welcome = client.welcome
    configure_logs(welcome.log_level, welcome.log_format)
    if client.log_rules is not None:
        use_log_rules(client.log_rules)
    structlog.contextvars.bind_contextvars(frontend=welcome.number)
    limits = limits_of(welcome)
    closing = Closing(welcome.max_connection_age, welcome.drain_timeout, welcome.linger)
    app = create_app(client.data, client.control, limits, client.access)
    certificates = open_certificates(welcome.tls, quiet=True)  # the gateway logs
    rest = HttpServer(
        app, welcome.host, welcome.http_port, closing, door=app.door, reuse_port=True,
        tls=certificates.clients if certificates else None,
    )  # fmt: skip
    servicers = all_servicers(client.data, client.control, limits)
    grpc = GrpcFrontend(
        servicers, client.data, limits, client.access, closing=closing, reuse_port=True,
        certificates=certificates,
    )  # fmt: skip
    if certificates is not None:
        certificates.start()
    await rest.start()
    await grpc.start(welcome.host, welcome.grpc_port)
    gc.collect()
    gc.freeze()  # as in the gateway: collections leave out what was there at the start
    client.listening()
    reason = await client.ended()
    log.debug("frontend is stopping", reason=reason)
    # Without a gateway there are no workers either, and nothing in flight can end well.
    grace = welcome.drain_timeout if client.is_attached else 0.0
    await asyncio.gather(rest.stop(grace), grpc.stop(grace))


def _clear_away(path: Path) -> None:
    """Take away the socket of a gateway that had no time to do it."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def main() -> None:
    """Run on uvloop; signals are the gateway's business."""
    import uvloop

    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    # A signal to the whole group reaches the gateway, which ends its frontends in good order.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        uvloop.run(run(sys.argv[1]))
    except OSError as error:
        sys.exit(f"no gateway: {error}")
    except TlsFileError as error:
        log.error("the certificate cannot be used", reason=str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
