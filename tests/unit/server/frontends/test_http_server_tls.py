"""The REST server over TLS: hostile and slow clients, ends of connections, renewals under way."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trustme
import uvloop
from starlette.types import ASGIApp

from server.frontends import http_server
from server.frontends.closing import Closing
from server.frontends.http_server import HttpServer
from server.tls.certificates import HANDSHAKE_TIMEOUT, Certificates
from server.tls.files import TlsFiles
from tests.harness.tls import NAME, Secret, trusting

AUTHORITY, CLIENTS = trustme.CA(), trustme.CA()
GRACE = HANDSHAKE_TIMEOUT / 2
REQUEST = b"GET /%d HTTP/1.1\r\nHost: test\r\n\r\n"


async def app(scope, receive, send):
    """As many bytes as the path says, and which scheme it was."""
    size = int(scope["path"][1:])
    headers = [(b"content-length", b"%d" % size), (b"x-scheme", scope["scheme"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(size)})


class Held:
    """The same, once it is told to go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope, receive, send):
        self.begun.set()
        await self.go_on.wait()
        await app(scope, receive, send)


class World:
    """A server with its certificate."""

    def __init__(
        self,
        folder: Path,
        *,
        mutual: bool = False,
        application: ASGIApp = app,
        max_age: float = 0.0,
    ) -> None:
        self.secret = Secret(folder / "secret")
        self.secret.issue(AUTHORITY, CLIENTS if mutual else None)
        ca = str(self.secret.client_ca) if mutual else ""
        self.certificates = Certificates(
            TlsFiles(str(self.secret.certificate), str(self.secret.key), ca)
        )
        self.server = HttpServer(
            application,
            "127.0.0.1",
            0,
            Closing(max_age, grace=GRACE),
            tls=self.certificates.clients,
        )

    async def connect(
        self, context: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = context or trusting(AUTHORITY)
        return await asyncio.open_connection(
            "127.0.0.1", self.server.port, ssl=context, server_hostname=NAME
        )

    async def plain(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.server.port)


@pytest.fixture
def on_uvloop(tmp_path, caplog):
    """Runs a test against a started server on the loop of production; nothing is logged by it."""

    def run(test: Callable[[World], Awaitable[None]], **options: object) -> None:
        async def all_of_it() -> None:
            world = World(tmp_path, **options)  # type: ignore[arg-type]
            await world.server.start()
            try:
                async with asyncio.timeout(60):
                    await test(world)
            finally:
                await world.server.stop()

        uvloop.run(all_of_it())
        said = [one for one in caplog.records if one.name in ("asyncio", "uvicorn.error")]
        assert [one.getMessage() for one in said] == []

    caplog.set_level(logging.WARNING)
    return run


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length)


def test_requests_are_answered_over_one_connection_as_https(on_uvloop):
    async def test(world):
        reader, writer = await world.connect()
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        for size in (3, 5_000_000):
            writer.write(REQUEST % size)
            head, body = await answer(reader)
            assert b"x-scheme: https" in head
            assert len(body) == size
        writer.close()

    on_uvloop(test)


def test_the_one_protocol_that_is_agreed_on_is_http_1_1(on_uvloop):
    async def test(world):
        context = trusting(AUTHORITY)
        context.set_alpn_protocols(["h2", "http/1.1"])
        _, writer = await world.connect(context)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        writer.close()

    on_uvloop(test)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_older_than_1_2_is_refused(on_uvloop):
    async def test(world):
        context = trusting(AUTHORITY)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await world.connect(context)

    on_uvloop(test)


@pytest.mark.parametrize(
    "sent", [REQUEST % 1, b"\x00" * 64, b"\x16\x03\x01\xff\xff" + b"x" * 70_000, b"SSH-2.0-x\r\n"]
)
def test_what_is_no_tls_is_hung_up_on_without_a_word_in_the_log(on_uvloop, sent, monkeypatch):
    monkeypatch.setattr(http_server, "HANDSHAKE_TIMEOUT", 1.0)

    async def test(world):
        reader, writer = await world.plain()
        writer.write(sent)
        try:
            answered = await reader.read()
        except ConnectionError:
            answered = b""
        assert not answered.startswith(b"HTTP")
        writer.close()
        reader, writer = await world.connect()
        writer.write(REQUEST % 1)
        assert (await answer(reader))[1] == b"\x00"
        writer.close()

    on_uvloop(test)


def test_a_handshake_that_never_ends_is_cut(on_uvloop, monkeypatch):
    monkeypatch.setattr(http_server, "HANDSHAKE_TIMEOUT", 0.2)

    async def test(world):
        reader, writer = await world.plain()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()

    on_uvloop(test)


def test_neither_handshakes_nor_idle_clients_hold_up_the_stop(on_uvloop):
    async def test(world):
        _, unfinished = await world.plain()
        # One that does not look at its connection, and so never says goodbye itself.
        deaf = await asyncio.to_thread(_deaf, world.server.port)
        await world.server.stop()  # which logs if the grace was not enough
        deaf.close()
        unfinished.close()

    on_uvloop(test)


def _connected(port: int) -> ssl.SSLSocket:
    sock = socket.create_connection(("127.0.0.1", port))
    # A connection that is cut shall not look like one that has said its last word.
    return trusting(AUTHORITY).wrap_socket(sock, server_hostname=NAME, suppress_ragged_eofs=False)


def _deaf(port: int) -> ssl.SSLSocket:
    tls = _connected(port)
    tls.sendall(REQUEST % 1)
    while not tls.recv(1000).endswith(b"\x00"):
        pass
    return tls


def test_a_connection_that_is_closed_ends_with_the_last_word_of_tls(on_uvloop):
    async def test(world):
        reader, writer = await world.connect()
        writer.write(b"GET /9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        _, body = await answer(reader)
        assert len(body) == 9
        assert await reader.read() == b""  # a cut connection would be an error
        writer.close()

    on_uvloop(test)


def test_a_client_that_reads_late_gets_all_of_an_answer_after_which_the_connection_ends(on_uvloop):
    size = 20_000_000
    written = asyncio.Event()

    async def told(scope, receive, send):
        await app(scope, receive, send)
        written.set()

    def late(tls: ssl.SSLSocket) -> int:
        received = bytearray()
        while part := tls.recv(1 << 20):
            received += part
        tls.close()
        return len(received.partition(b"\r\n\r\n")[2])

    async def test(world):
        tls = await asyncio.to_thread(_connected, world.server.port)
        tls.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % size)
        await written.wait()
        assert await asyncio.to_thread(late, tls) == size

    on_uvloop(test, application=told)


def test_a_connection_of_a_certain_age_ends_with_its_next_answer(on_uvloop):
    async def test(world):
        reader, writer = await world.connect()
        await asyncio.sleep(0.02)  # its age
        writer.write(REQUEST % 1)
        head, _ = await answer(reader)
        assert b"connection: close" in head.lower()
        assert await reader.read() == b""
        writer.close()

    on_uvloop(test, max_age=0.001)


def test_a_handshake_that_ends_when_the_server_is_stopping_makes_no_new_client(on_uvloop):
    held = Held()

    async def test(world):
        reader, writer = await world.connect()
        late_reader, late_writer = await world.plain()
        writer.write(REQUEST % 3)
        await held.begun.wait()
        stopping = asyncio.ensure_future(world.server.stop())
        while not world.server.is_stopping:
            await asyncio.sleep(0.01)
        await late_writer.start_tls(trusting(AUTHORITY), server_hostname=NAME)
        assert await late_reader.read() == b""
        held.go_on.set()
        assert (await answer(reader))[1] == bytes(3)
        await stopping  # which logs if the grace was not enough
        for one in (writer, late_writer):
            one.close()

    on_uvloop(test, application=held)


def test_what_is_in_flight_when_the_server_stops_is_answered(on_uvloop):
    held = Held()

    async def test(world):
        reader, writer = await world.connect()
        writer.write(REQUEST % 3)
        await held.begun.wait()
        port = world.server.port
        stopping = asyncio.ensure_future(world.server.stop())
        with contextlib.suppress(ConnectionError):  # until nobody listens any more
            while True:
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                await asyncio.sleep(0.01)
        held.go_on.set()
        assert (await answer(reader))[1] == bytes(3)
        assert await reader.read() == b""
        await stopping
        writer.close()

    on_uvloop(test, application=held)


def test_a_client_without_a_certificate_is_told_that_one_is_needed(on_uvloop):
    async def test(world):
        for own, alert in ((None, "CERTIFICATE_REQUIRED"), (AUTHORITY, "UNKNOWN_CA")):
            reader, writer = await world.connect(trusting(AUTHORITY, own))
            with pytest.raises(ssl.SSLError, match=alert):
                await reader.read()
            writer.close()
        reader, writer = await world.connect(trusting(AUTHORITY, CLIENTS))
        writer.write(REQUEST % 2)
        assert (await answer(reader))[1] == bytes(2)
        writer.close()

    on_uvloop(test, mutual=True)


def test_old_connections_live_on_when_new_ones_get_another_certificate(on_uvloop):
    async def test(world):
        old_reader, old = await world.connect()
        first = old.get_extra_info("ssl_object").getpeercert(binary_form=True)
        renewed = await asyncio.to_thread(functools.partial(world.secret.issue, AUTHORITY))
        world.certificates.look(0.0)

        _, new = await world.connect()

        assert new.get_extra_info("ssl_object").getpeercert(binary_form=True) == renewed != first
        old.write(REQUEST % 4)
        assert (await answer(old_reader))[1] == bytes(4)
        for writer in (old, new):
            writer.close()

    on_uvloop(test)


def test_who_trusted_only_the_old_authority_of_clients_is_not_let_in_by_a_resumed_session(tmp_path):
    async def all_of_it() -> None:
        world = World(tmp_path, mutual=True)
        await world.server.start()
        context = trusting(AUTHORITY, CLIENTS)

        def ask(session: ssl.SSLSession | None) -> ssl.SSLSession | None:
            with socket.create_connection(("127.0.0.1", world.server.port)) as sock:
                tls = context.wrap_socket(sock, server_hostname=NAME, session=session)
                tls.sendall(REQUEST % 1)
                assert tls.recv(1000).startswith(b"HTTP/1.1 200")
                return tls.session

        session = await asyncio.to_thread(ask, None)
        assert session is not None
        world.secret.issue(AUTHORITY, trustme.CA())
        world.certificates.look(0.0)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(ask, session)
        await world.server.stop()

    uvloop.run(all_of_it())
