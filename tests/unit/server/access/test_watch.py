from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import server.access.watch
from server.access.file import read_access_file
from server.access.rules import Right, Rules
from server.access.watch import AccessWatch

OPENED = "anonymous: [infer]"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    there = tmp_path / "access.yaml"
    there.write_text("tokens: []")
    return there


async def test_new_rules_are_told_once(path):
    told: list[Rules] = []
    watch = AccessWatch(path, read_access_file(path), told.append)
    await watch.look()
    assert told == []
    path.write_text(OPENED)
    await watch.look()
    await watch.look()
    assert told == [Rules(frozenset({Right.INFER}))]


async def test_a_file_that_is_wrong_or_gone_changes_nothing_and_is_logged_once(path):
    told: list[Rules] = []
    watch = AccessWatch(path, read_access_file(path), told.append)
    with capture_logs() as logs:
        path.write_text("anonymous: [everything]")
        await watch.look()
        await watch.look()
        path.unlink()
        await watch.look()
    assert told == []
    assert [one["log_level"] for one in logs] == ["error", "error"]
    assert "anonymous: expected" in logs[0]["reason"]
    path.write_text(OPENED)
    await watch.look()
    assert len(told) == 1


async def test_it_looks_by_itself_until_it_is_stopped(path):
    told: asyncio.Queue[Rules] = asyncio.Queue()
    watch = AccessWatch(path, read_access_file(path), told.put_nowait, interval=0.01)
    watch.start()
    path.write_text(OPENED)
    async with asyncio.timeout(20):
        assert (await told.get()).anonymous == {Right.INFER}
    await watch.stop()
    await watch.stop()


async def test_a_file_that_cannot_be_read_in_time_is_said_and_taken_up_when_it_can(
    path, monkeypatch
):
    told: list[Rules] = []
    there = threading.Event()
    reads = []

    def slow(given: Path) -> bytes:
        reads.append(given)
        there.wait(20)
        return read_access_file(given)

    watch = AccessWatch(path, read_access_file(path), told.append, patience=0.01)
    monkeypatch.setattr(server.access.watch, "read_access_file", slow)
    path.write_text(OPENED)
    with capture_logs() as logs:
        for _ in range(3):
            await watch.look()
    assert [one["reason"] for one in logs] == ["it could not be read within 0.01 s"]
    assert len(reads) == 1  # one thread waits, and no others
    there.set()
    watch.start()
    async with asyncio.timeout(20):
        while not told:
            await watch.look()
    await watch.stop()


async def test_a_surprise_does_not_end_the_looking(path):
    told: list[Rules] = []

    def tell(rules: Rules) -> None:
        if not told:
            told.append(Rules())
            raise RuntimeError("not yet")
        told.append(rules)

    watch = AccessWatch(path, read_access_file(path), tell, interval=0.01)
    watch.start()
    path.write_text(OPENED)
    async with asyncio.timeout(20):
        while len(told) < 2:
            await asyncio.sleep(0.01)
    await watch.stop()
    assert told[1].anonymous == {Right.INFER}


async def test_what_is_the_same_is_not_read_as_yaml_again(path, monkeypatch):
    watch = AccessWatch(path, read_access_file(path), lambda _rules: None)
    monkeypatch.setattr(server.access.watch, "rules_in", None)
    await watch.look()
