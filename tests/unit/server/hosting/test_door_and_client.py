"""A frontend process and the gateway, over a real socket."""

from __future__ import annotations

import asyncio
import socket
import stat
import struct
from pathlib import Path

import msgspec
import pytest

from runtimes.contract.codes import Code
from server.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotFound,
    Overloaded,
    ServingError,
    Unavailable,
)
from server.hosting import answering
from server.hosting import client as client_module
from server.hosting.client import attach
from server.lifecycle.states import State
from server.planes import IndexEntry
from server.repository.served import ServedModel
from server.repository.settings import VersionPolicy
from server.routing.messages import Applied, Hello, LogIs, TraceIs
from server.telemetry.log_settings import LogRules
from server.telemetry.trace_settings import TraceRules
from tests.unit.server.hosting.hosting_world import WELCOME, Gateway, until
from tests.unit.server.telemetry.exchanges import exchange


@pytest.fixture
async def gateway():
    made = Gateway()
    yield made
    made.door.close()


async def test_a_frontend_is_let_in_when_it_knows_all_there_is(gateway):
    gateway.want(1, labels={"stable": 1})
    gateway.ready(1)
    gateway.publisher.started()

    async with gateway.client() as client:
        assert client.welcome == WELCOME
        assert client.data.metadata("m", "stable").version == 1
        with pytest.raises(NotFound):
            client.data.metadata("nobody", "")


async def test_settings_signature_and_all_arrive_as_they_were(gateway):
    gateway.want(1, output_labels={"y": ("cat", "dog")}, options={"a": 1.5, "b": True}, threads=3)
    load = gateway.ready(1)

    async with gateway.client() as client:
        metadata = client.data.metadata("m", "")

    assert metadata.settings == load.settings
    assert metadata.signature == load.ready.signature


async def test_a_switch_is_in_force_once_it_is_said_to_be(gateway):
    gateway.want(1, 2)
    gateway.want(1)
    gateway.ready(1)
    async with gateway.client() as one, gateway.client() as other:
        gateway.want(1, 2)
        gateway.ready(2)
        await gateway.publisher.applied()

        assert [one.data.metadata("m", "").version, other.data.metadata("m", "").version] == [2, 2]


async def test_a_frontend_that_goes_lets_go_of_all_it_held(gateway):
    gateway.want(1)
    load = gateway.ready(1)
    async with gateway.client() as client:
        held = client._core.table.acquire("m", "")
        load.move(State.DRAINING)
        await gateway.publisher.applied()
        assert gateway.publisher.users(load) == 1
        client._core.table.give_back(held)
        await until(lambda: gateway.publisher.users(load) == 0)

        gateway.want(1)
        again = gateway.ready(1)
        await gateway.publisher.applied()
        client._core.table.acquire("m", "")
        again.move(State.DRAINING)
        client._channel.close()
        await until(lambda: gateway.publisher.users(again) == 0)
    assert len(gateway.went) == 1


async def test_what_was_counted_is_there_after_gathering_and_after_the_end(gateway):
    gateway.want(1)
    gateway.ready(1)
    async with gateway.client() as client:
        tally = client._core.table.find("m", "").tally
        tally.ended(exchange(), Code.INTERNAL)
        await gateway.publisher.gather()
        assert gateway.recorders.statistics("m", 1).fail.count == 1
        tally.ended(exchange(), Code.INTERNAL)

    await until(lambda: gateway.went)
    assert gateway.recorders.statistics("m", 1).fail.count == 2


SERVED = ServedModel("m", "/m", "onnx", VersionPolicy(None, (1, 3)), {"stable": 1})

# ---- control calls -------------------------------------------------------------------------------


async def test_control_calls_are_answered_by_the_gateway(gateway):
    async with gateway.client() as client:
        assert list(await client.control.index(True)) == [IndexEntry("m", "1", "READY")]
        assert len(await client.control.index(False)) == 2
        (totals,) = await client.control.statistics("m", "")
        assert (totals.name, totals.version, totals.success.ns) == ("m", 7, 30)
        await client.control.load("m", {"config": "{}", "n": 1, "b": True, "file:x": b"weights"})
        await client.control.unload("m", True)
        assert await client.control.tf_serving_metrics() == b"# EOF"
        asked = {"trace_level": ["OFF"], "trace_rate": None, "flag": True, "number": 3}
        kept = {name: value for name, value in asked.items() if value is not None}
        assert await client.control.trace_settings("m", asked) == {"model": "m", **kept}
        assert await client.control.log_settings({"a": None}) == {"a": True}
        await client.control.replace_models([SERVED, ServedModel("n", "/n")])

    assert gateway.control.loaded == [("m", {"config": "{}", "n": 1, "b": True, "file:x": b""})]
    assert gateway.control.unloaded == [("m", True)]
    assert gateway.control.replaced == [(SERVED, ServedModel("n", "/n"))]


@pytest.mark.parametrize(
    "failure", [InvalidArgument("no such thing"), Unavailable("later", retry_after=3.0)]
)
async def test_a_refusal_arrives_as_it_was_made(gateway, failure):
    gateway.control.failure = failure
    async with gateway.client() as client:
        with pytest.raises(type(failure)) as refused:
            await client.control.load("m", {})

    assert (refused.value.message, refused.value.retry_after) == (
        failure.message, failure.retry_after,
    )  # fmt: skip


async def test_what_nobody_expected_tells_the_client_nothing(gateway):
    gateway.control.failure = KeyError("/secret/path")
    async with gateway.client() as client:
        with pytest.raises(Internal) as refused:
            await client.control.index(False)

    assert "secret" not in refused.value.message


async def test_a_call_nobody_waits_for_is_given_up_in_the_gateway_too(gateway):
    gateway.control.hang = True
    async with gateway.client() as client:
        call = asyncio.ensure_future(client.control.load("m", {}))
        await until(lambda: gateway.control.hanging == 1)
        call.cancel()
        await until(lambda: gateway.control.cancelled == 1)


async def test_a_gateway_that_does_not_answer_is_not_waited_for():
    slow = Gateway(msgspec.structs.replace(WELCOME, control_timeout=0.01))
    slow.control.hang = True
    async with slow.client() as client:
        with pytest.raises(DeadlineExceeded, match=r"did not answer within 0\.01 s"):
            await client.control.index(False)
        await until(lambda: slow.control.cancelled == 1)
    slow.door.close()


async def test_more_calls_than_may_be_open_are_refused(gateway, monkeypatch):
    monkeypatch.setattr(answering, "MOST_QUESTIONS", 2)
    gateway.control.hang = True
    async with gateway.client() as client:
        open_calls = [asyncio.ensure_future(client.control.load("m", {})) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await asyncio.wait_for(client.control.load("m", {}), 10)
        for call in open_calls:
            call.cancel()


# ---- the end -------------------------------------------------------------------------------------


async def test_a_frontend_ends_with_the_gateway(gateway):
    gateway.control.hang = True
    async with gateway.client() as client:
        call = asyncio.ensure_future(client.control.load("m", {}))
        await asyncio.sleep(0)
        gateway.door.close()

        assert await asyncio.wait_for(client.ended(), 10) == "the gateway is gone"
        assert not client.is_attached
        with pytest.raises(Unavailable):
            await call
        with pytest.raises(Unavailable):
            await client.control.index(False)
        assert not client.data.ready()


async def test_a_frontend_that_is_asked_to_stop_goes_on_until_it_is_done(gateway):
    gateway.publisher.started()
    async with gateway.client() as client:
        assert client.data.ready()
        gateway.came[0].pause()
        await until(lambda: not client.data.ready())
        gateway.came[0].stop()
        await asyncio.wait_for(client.ended(), 10)
        assert client.is_attached
        assert len(await client.control.index(False)) == 2

    await until(lambda: gateway.went)
    assert gateway.came[0].stopped


async def test_where_no_gateway_is_there_is_no_frontend(tmp_path):
    with pytest.raises(OSError):
        await attach(str(tmp_path / "nobody"))


# ---- the door ------------------------------------------------------------------------------------


async def test_the_socket_is_this_users_alone_and_gone_at_the_end(gateway):
    folder = Path(gateway.path).parent

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    gateway.door.close()
    assert not folder.exists()


async def test_a_folder_with_a_long_name_is_not_used_for_the_socket(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    made = Gateway()

    async with made.client() as client:
        assert client.is_attached
    made.door.close()


async def test_another_user_is_turned_away(gateway, monkeypatch):
    monkeypatch.setattr("server.hosting.door.os.getuid", lambda: 12345)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, gateway.path)
        assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""
    assert gateway.came == []


@pytest.mark.parametrize("message", [Hello(99), Applied(1)])
async def test_who_is_no_frontend_of_this_release_is_cut_off(gateway, message):
    payload = msgspec.msgpack.encode(message)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, gateway.path)
        await loop.sock_sendall(sock, struct.pack("<IB", len(payload), 0) + payload)
        assert await loop.sock_recv(sock, 1) == b""
    await until(lambda: gateway.went)


def test_every_code_has_an_error_that_travels():
    for code in Code:
        error = ServingError("x")
        error.code = code
        assert Code(answering.refusal(error).code) is code


# ---- what was switched ---------------------------------------------------------------------------


async def test_a_frontend_is_told_what_was_switched_before_it_came_and_after(gateway, monkeypatch):
    logged: list[LogRules] = []
    monkeypatch.setattr(client_module, "use_log_rules", logged.append)
    gateway.publisher.switch(LogIs(LogRules(info=False)))
    async with gateway.client() as client:
        assert client.log_rules == LogRules(info=False)
        gateway.publisher.switch(LogIs(LogRules(verbose=1)))
        gateway.publisher.switch(TraceIs(TraceRules()))
        await gateway.publisher.gather()
        assert client.log_rules == LogRules(verbose=1)
    assert logged == [LogRules(info=False), LogRules(verbose=1)]
