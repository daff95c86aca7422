from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

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
