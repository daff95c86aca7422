"""The image's health check: exits 0 if the server is ready to serve, else 1 and says why.

Run without site packages, a shell or a second process. It asks on UNDERWAY_METRICS_PORT, where
probes are answered while clients keep REST busy. Where that port is given on the command line
alone, say it in the environment as well. A server that hangs up on plain HTTP is asked over TLS.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys

TIMEOUT = 4.0
"""Seconds; less than the health check's own limit, so that the reason is told."""


def main() -> int:
    """Ask once."""
    port = os.environ.get("UNDERWAY_METRICS_PORT", "8002")
    try:
        try:
            status = ask(http.client.HTTPConnection("127.0.0.1", int(port), timeout=TIMEOUT))
        except (ConnectionResetError, http.client.RemoteDisconnected):
            status = ask(
                http.client.HTTPSConnection(
                    "127.0.0.1", int(port), timeout=TIMEOUT, context=trusting_all()
                )
            )
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"no answer on port {port}: {error}")
        return 1
    if status != http.client.OK:
        print(f"not ready: status {status}")
        return 1
    return 0


def ask(connection: http.client.HTTPConnection) -> int:
    """The status of its answer."""
    connection.request("GET", "/v2/health/ready")
    return connection.getresponse().status


def trusting_all() -> ssl.SSLContext:
    """For this machine itself, which no certificate is for."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


if __name__ == "__main__":
    sys.exit(main())
