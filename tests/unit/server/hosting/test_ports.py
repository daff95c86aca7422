"""A port is shared by those that are meant to share it, and by nobody else."""

from __future__ import annotations

import socket

import pytest

from server.frontends.closing import Closing
from server.frontends.http_server import HttpServer
from server.hosting.ports import port_of, reserve


def test_several_listen_on_a_reserved_port():
    with reserve("127.0.0.1", 0) as reserved:
        port = port_of(reserved)
        servers = [
            HttpServer(lambda *_: None, "127.0.0.1", port, Closing(), reuse_port=True)
            for _ in range(3)
        ]
        for server in servers:
            server._socket.listen()
            assert server.port == port
        for server in servers:
            server._socket.close()


@pytest.mark.parametrize("shares", [False, True])
def test_a_port_on_which_somebody_listens_cannot_be_reserved(shares):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shares))
        other.bind(("127.0.0.1", 0))
        other.listen()

        with pytest.raises(OSError):
            reserve("127.0.0.1", port_of(other))


def test_nobody_is_connected_to_a_port_that_is_only_reserved():
    with reserve("127.0.0.1", 0) as reserved, socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port_of(reserved))) != 0
