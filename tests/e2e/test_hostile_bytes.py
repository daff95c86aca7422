"""Raw bytes that no client would send, to the real ports: nobody is harmed and nothing leaks."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest

from tests.harness.hostile import (
    INPUT,
    Watched,
    check_discreet,
    connect,
    infer,
    read_answer,
    request,
    watched,
)

GOOD = infer({"inputs": [INPUT]})
PAIR = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}
SLOW, SLOWER = infer(PAIR, "slow"), infer(PAIR, "slower")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CHUNKED = request("POST", "/v2/models/digits-onnx/infer", Transfer_Encoding="chunked").replace(
    b"Content-Length: 0\r\n", b""
)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server(tmp_path_factory, demo_repository):
    with watched(tmp_path_factory.mktemp("models"), demo_repository) as found:
        found.check_unharmed()  # what is opened once and kept is open now
        yield found


@pytest.fixture(autouse=True)
def unharmed(server: Watched):
    """Alive, right, and with as many open files and connections as before."""
    before = server.process.num_fds()
    yield
    server.check_unharmed()
    until(lambda: server.process.num_fds() <= before)


def garbage(seed: int, size: int = 4096) -> bytes:
    return random.Random(seed).randbytes(size)


def hang_up(sock: socket.socket) -> None:
    """Close with a reset, as a client that died would."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


HALVES = {
    "nothing": b"",
    "half a line": b"POST /v2/mod",
    "half the headers": GOOD[:60],
    "headers without their end": GOOD[: GOOD.index(b"\r\n\r\n") + 2],
    "headers without the body": GOOD[: GOOD.index(b"\r\n\r\n") + 4],
    "half the body": GOOD[:-100],
    "half a chunk": CHUNKED + b"64\r\n{",
    "half a length of a chunk": CHUNKED + b"6",
    "chunks without the last": CHUNKED + b"1\r\n{\r\n",
    "a gzip body that waits": request(
        "POST", "/v2/models/digits-onnx/infer", b"\x1f\x8b", Content_Encoding="gzip",
        Content_Length="100",
    ),
    "a continue that is waited for": request(
        "POST", "/v2/models/digits-onnx/infer", Content_Length="100", Expect="100-continue",
    ),
}  # fmt: skip


@pytest.mark.parametrize("close", [socket.socket.close, hang_up], ids=["closed", "reset"])
@pytest.mark.parametrize("case", HALVES)
def test_half_a_request_and_then_nobody_is_forgotten(server, case, close):
    for _ in range(5):
        sock = connect(server.http_port)
        sock.sendall(HALVES[case])
        close(sock)


def test_slow_clients_hold_up_nobody(server):
    slow = [connect(server.http_port) for _ in range(40)]
    for position in range(0, 60, 4):
        for sock in slow:
            sock.sendall(GOOD[position : position + 4])
        server.check_answers()
    # And they are answered in the end, as slow as they were.
    for sock in slow:
        sock.sendall(GOOD[60:])
        assert read_answer(sock).status == 200
        sock.close()


def test_a_request_in_many_tiny_chunks_is_answered(server):
    body = GOOD.partition(b"\r\n\r\n")[2]
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    assert server.exchange(CHUNKED + chunks + b"0\r\n\r\n").status == 200


def test_a_flood_of_tiny_chunks_is_an_error_like_any_other(server):
    answer = server.exchange(CHUNKED + b"1\r\n \r\n" * 200_000 + b"0\r\n\r\n")
    assert answer.status == 400
    assert "JSON" in answer.error


@pytest.mark.parametrize(
    "line",
    [b"X: " + b"a" * 2**25, b"a" * 2**25, b"X: y\r\n" * 2**22],
    ids=["value", "name", "many"],
)
@pytest.mark.parametrize("before", [b"", CHUNKED + b"0\r\n"], ids=["head", "trailer"])
def test_endless_headers_are_cut_off(server, line, before):
    used = server.process.memory_info().rss
    head = before or b"GET /v2 HTTP/1.1\r\nHost: test\r\n"
    with connect(server.http_port) as sock, contextlib.suppress(ConnectionError):
        # All of it does not even arrive: the server stops reading and closes.
        sock.sendall(head + line)
        answer = read_answer(sock)
        assert answer.status in (400, 431)
        check_discreet(answer.error)
    assert server.process.memory_info().rss - used < 16 * 2**20


def test_headers_somewhat_too_large_are_told_so(server):
    with connect(server.http_port) as sock:
        sock.sendall(b"GET /v2 HTTP/1.1\r\nHost: test\r\nX: ")
        for _ in range(16):
            sock.sendall(b"a" * 4096)
        answer = read_answer(sock)
    assert answer.status == 431
    assert "headers are too large; expected at most 65536 bytes" in answer.error


NO_HTTP = {
    "random bytes": garbage(1),
    "more random bytes": garbage(2, 200_000),
    "zeros": bytes(5000),
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + garbage(3, 512),
    "HTTP/2": PREFACE + bytes(100),
    "HTTP/9": b"GET /v2 HTTP/9.9\r\n\r\n",
    "no version": b"GET /v2 NOPE\r\n\r\n",
    "lines without CR": b"GET /v2 HTTP/1.1\nHost: test\n\n",
    "a folded header": b"GET /v2 HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
    "a header without colon": b"GET /v2 HTTP/1.1\r\nHost\r\n\r\n",
    "a space in a header's name": b"GET /v2 HTTP/1.1\r\nHo st: test\r\n\r\n",
    "NUL in a header": b"GET /v2 HTTP/1.1\r\nHost: te\0st\r\n\r\n",
    "a chunk's length that is none": CHUNKED + b"zz\r\n",
    "a chunk's length over 64 bits": CHUNKED + b"f" * 18 + b"\r\n",
    "a negative chunk": CHUNKED + b"-1\r\n",
    "an unknown transfer encoding": CHUNKED.replace(b"chunked", b"x, chunked, y"),
    "two lengths": GOOD.replace(b"Host: test", b"Host: test\r\nContent-Length: 1"),
}


@pytest.mark.parametrize("case", NO_HTTP)
def test_what_is_no_http_is_refused_and_the_connection_closed(server, case):
    with connect(server.http_port) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(NO_HTTP[case])
        answer = read_answer(sock)
        assert answer.status == 400
        check_discreet(answer.error)
        assert sock.recv(1) == b""


def test_garbage_after_a_good_request_does_not_take_its_answer_away(server):
    with connect(server.http_port) as sock:
        sock.sendall(GOOD)
        assert read_answer(sock).status == 200
        sock.sendall(garbage(4, 100) + b"\r\n\r\n")
        assert read_answer(sock).status == 400


def test_pipelined_requests_are_answered_in_order(server):
    get = request("GET", "/v2")
    unknown = request("GET", "/v2/models/nope")
    order = [SLOW, get, unknown, GOOD, SLOW, unknown]
    with connect(server.http_port) as sock:
        sock.sendall(b"".join(order))
        statuses = [read_pipelined(sock) for _ in order]
    assert statuses == [200, 200, 404, 200, 200, 404]


def read_pipelined(sock: socket.socket) -> int:
    """The next answer's status, without reading a byte more, which is another answer's."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, "the connection was closed"
        head += byte
    left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while left:
        left -= len(sock.recv(left))
    return int(head.split()[1])


def test_a_flood_of_pipelined_requests_of_a_client_that_never_reads_is_forgotten(server):
    used = server.process.memory_info().rss
    with connect(server.http_port) as sock:
        sock.settimeout(1)
        with contextlib.suppress(TimeoutError, ConnectionError):
            # Once its answers pile up, the server stops reading; so this does not get through.
            for _ in range(2000):
                sock.sendall(request("GET", "/v2") * 100)
        server.check_answers()
        hang_up(sock)
    assert server.process.memory_info().rss - used < 64 * 2**20


@pytest.mark.parametrize("close", [socket.socket.close, hang_up], ids=["closed", "reset"])
def test_a_client_that_leaves_while_its_answer_is_computed_is_forgotten(server, close):
    for _ in range(3):
        sock = connect(server.http_port)
        sock.sendall(SLOWER)
        until(lambda: server.server.in_flight("slower") > 0)
        close(sock)
        until(lambda: server.server.in_flight("slower") == 0)


def test_many_idle_connections_leave_the_good_ones_alone(server):
    idle = [connect(server.http_port) for _ in range(200)]
    server.check_answers()
    for sock in idle:
        sock.close()


NO_GRPC = {
    "random bytes": garbage(5),
    "an HTTP/1 request": GOOD,
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + garbage(6, 512),
    "half a preface": PREFACE[:10],
    "a preface and nothing": PREFACE,
    "a preface and random bytes": PREFACE + garbage(7, 100_000),
    "a frame longer than allowed": PREFACE + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(100),
    "data on a stream never opened": (
        PREFACE + bytes(3) + b"\x04" + bytes(5) + b"\x00\x00\x05\x00\x01\x00\x00\x00\x07hello"
    ),
    "headers that are no HPACK": (
        PREFACE + bytes(3) + b"\x04" + bytes(5)
        + b"\x00\x00\x20\x01\x05\x00\x00\x00\x01" + b"\xff" * 32
    ),
    "settings without end": PREFACE + (bytes(3) + b"\x04" + bytes(5)) * 5000,
    "pings without end": PREFACE + bytes(3) + b"\x04" + bytes(5) + (
        b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + bytes(8)
    ) * 5000,
    "resets without end": PREFACE + bytes(3) + b"\x04" + bytes(5) + (
        b"\x00\x00\x04\x03\x00\x00\x00\x00\x01" + bytes(4)
    ) * 5000,
}  # fmt: skip


@pytest.mark.parametrize("case", NO_GRPC)
def test_what_is_no_grpc_harms_nobody(server, case):
    for _ in range(3):
        with connect(server.server.grpc_port) as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(NO_GRPC[case])
                # gRPC greets first; what it says after that is its own business.
                sock.recv(4096)
            server.check_answers()


def test_slow_and_idle_connections_on_the_grpc_port_hold_up_nobody(server):
    slow = [connect(server.server.grpc_port) for _ in range(40)]
    for position in range(0, len(PREFACE), 6):
        for sock in slow:
            sock.sendall(PREFACE[position : position + 6])
        server.check_answers()
    for sock in slow:
        sock.close()


def test_hostile_bytes_from_many_threads_at_once_leave_the_good_requests_alone(server):
    stop = threading.Event()

    def attack(seed: int) -> None:
        rng = random.Random(seed)
        cases = [*HALVES.values(), *NO_HTTP.values()]
        while not stop.is_set():
            with contextlib.suppress(OSError), connect(server.http_port) as sock:
                sock.sendall(rng.choice(cases))
                if rng.random() < 0.5:
                    hang_up(sock)

    threads = [threading.Thread(target=attack, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(30):
            server.check_answers()
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
