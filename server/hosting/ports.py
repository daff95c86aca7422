"""Reserves the ports that frontend processes share, so that all of them get the same ones and no
other server does.
"""

from __future__ import annotations

import socket


def reserve(host: str, port: int) -> socket.socket:
    """A socket bound to `port` (0 for any free one) that never listens; close it to give it up.

    Raises OSError where something listens there already, also something that would share.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        # Only now: bound with it, the port of another server that shares its own would be joined.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        sock.close()
        raise
    return sock


def port_of(sock: socket.socket) -> int:
    """The port a socket is bound to."""
    port: int = sock.getsockname()[1]
    return port
