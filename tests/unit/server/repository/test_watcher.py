"""Watching repositories: at intervals, on notice, when due and when asked."""

import asyncio
import os
import shutil
import threading
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from server.repository import notifier
from server.repository.errors import RepositoryError
from server.repository.listing import ModelEntry, RepositoryListing
from server.repository.local import ScanMemory, scan
from server.repository.publish import publish
from server.repository.watcher import RepositoryWatcher

NEVER = 3600.0
"""A poll interval that does not come in a test: whatever happens then has another cause."""

SOON = 20.0


class Listings:
    """Takes the listings handed over, and waits for one."""

    def __init__(self):
        self.all = []
        self._more = asyncio.Event()

    def __call__(self, listing):
        self.all.append(listing)
        self._more.set()

    async def until(self, wanted):
        """The first listing, from those not yet waited for on, that is as `wanted`."""
        async with asyncio.timeout(SOON):
            while True:
                for listing in self.all:
                    if wanted(listing):
                        return listing
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def watching(scanner, poll_interval=NEVER, roots=()):
    listings = Listings()
    watcher = RepositoryWatcher(scanner, listings, poll_interval, roots)
    watcher.start()
    try:
        yield watcher, listings
    finally:
        await watcher.stop()


@pytest.fixture
def root(tmp_path):
    root = tmp_path.resolve() / "models"
    (root / "m/1").mkdir(parents=True)
    (root / "m/1/model.pt").write_bytes(b"x")
    return root


def real_scan(root, quiet_period=0.0):
    memory = ScanMemory()
    return lambda: scan([root], quiet_period=quiet_period, memory=memory)


@pytest.fixture
def no_notice(monkeypatch):
    def watch(*paths, **options):
        raise OSError("no file notification here")

    monkeypatch.setattr(notifier.watchfiles, "watch", watch)


def versions(number):
    return lambda listing: "m" in listing.models and number in listing.models["m"].versions


async def settled(watcher):
    """Let the watcher take up the folders it has just seen, which makes it look once more."""
    for _ in range(3):
        await watcher.rescan()


async def test_a_new_version_is_noticed(root):
    async with watching(real_scan(root), roots=[root]) as (_, listings):
        await listings.until(versions(1))
        (root / "m/.2").mkdir()
        (root / "m/.2/model.pt").write_bytes(b"x")
        (root / "m/.2").rename(root / "m/2")
        await listings.until(versions(2))


async def test_a_new_model_is_noticed_and_its_versions_from_then_on(root, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"x")
    async with watching(real_scan(root), roots=[root]) as (_, listings):
        await listings.until(versions(1))
        publish(tmp_path / "net.onnx", root / "new")
        await listings.until(lambda listing: "new" in listing.models)
        publish(tmp_path / "net.onnx", root / "new")
        await listings.until(
            lambda listing: "new" in listing.models and listing.models["new"].versions == (1, 2)
        )


async def test_changed_settings_are_noticed(root):
    async with watching(real_scan(root), roots=[root]) as (_, listings):
        await listings.until(versions(1))
        (root / "m/model.yaml").write_text("threads: 3")
        await listings.until(
            lambda listing: (settings := listing.models["m"].settings) and settings.threads == 3
        )


async def test_a_file_still_missing_from_a_version_is_noticed(root):
    (root / "m/2").mkdir()
    async with watching(real_scan(root), roots=[root]) as (_, listings):
        await listings.until(versions(1))
        (root / "m/2/model.pt").write_bytes(b"x")
        await listings.until(versions(2))


async def test_looking_is_no_change(root):
    async with watching(real_scan(root), roots=[root]) as (watcher, listings):
        await listings.until(versions(1))
        await settled(watcher)
        before = len(listings.all)
        # Three times as long as a notice takes.
        await asyncio.sleep(0.3)
        assert len(listings.all) <= before + 1


async def test_polling_alone_is_enough(root, no_notice):
    with capture_logs() as logs:
        async with watching(real_scan(root), 0.05, [root]) as (_, listings):
            await listings.until(versions(1))
            (root / "m/2").mkdir()
            (root / "m/2/model.pt").write_bytes(b"x")
            await listings.until(versions(2))
    warnings = [entry for entry in logs if "no notice of file changes" in entry["event"]]
    assert [entry["reason"] for entry in warnings] == ["no file notification here"]


async def test_what_is_due_is_looked_at_without_a_poll(root, no_notice):
    os.utime(root / "m/1/model.pt")  # changed just now
    async with watching(real_scan(root, quiet_period=0.3), roots=[root]) as (_, listings):
        await listings.until(lambda listing: listing.models["m"].incomplete)
        await listings.until(versions(1))


async def test_without_polling_it_looks_only_when_asked(root):
    scans = 0

    def counted():
        nonlocal scans
        scans += 1
        # Overdue: with polling there would be another look at once.
        return RepositoryListing({"m": ModelEntry("m", root, None, due=0.0)})

    async with watching(counted, 0, [root]) as (watcher, listings):
        (root / "n").mkdir()
        assert watcher._notifier._folders == frozenset()
        await watcher.rescan()
        await watcher.rescan()
        assert scans == len(listings.all) == 2
        watcher.poke()
        await listings.until(lambda _: len(listings.all) == 3)


async def test_a_failing_scan_is_told_once_and_ends_nothing():
    failures = iter([RepositoryError("gone"), RepositoryError("gone"), ValueError("odd"), None])

    def failing():
        if failure := next(failures, None):
            raise failure
        return RepositoryListing({})

    with capture_logs() as logs:
        async with watching(failing, 0.01) as (_, listings):
            await listings.until(lambda _: True)
    told = [entry.get("reason") for entry in logs]
    assert told == ["gone", "ValueError('odd') This is a bug.", None]
    assert logs[-1]["event"] == "model repositories can be read again"


async def test_a_failing_receiver_ends_nothing(root):
    listings = Listings()

    def receive(listing):
        listings(listing)
        if len(listings.all) == 1:
            raise KeyError("m")

    watcher = RepositoryWatcher(lambda: RepositoryListing({}), receive, 0.01, ())
    with capture_logs() as logs:
        watcher.start()
        await listings.until(lambda _: len(listings.all) == 2)
        await watcher.stop()
    assert "This is a bug." in logs[0]["reason"]


async def test_who_asks_is_told_what_the_scan_raises():
    def failing():
        raise RepositoryError("gone")

    async with watching(failing, 0) as (watcher, _):
        with pytest.raises(RepositoryError, match="gone"):
            await watcher.rescan()


async def test_many_who_ask_share_a_scan_that_begins_later():
    scans = 0
    begun, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow():
        nonlocal scans
        scans += 1
        loop.call_soon_threadsafe(begun.set)
        release.wait(SOON)
        return RepositoryListing({})

    async with watching(slow, 0) as (watcher, listings):
        watcher.poke()
        await begun.wait()
        asking = [asyncio.create_task(watcher.rescan()) for _ in range(50)]
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*asking)
        assert scans == len(listings.all) == 2


async def test_stopping_does_not_wait_for_a_scan_that_hangs():
    begun, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hanging():
        loop.call_soon_threadsafe(begun.set)
        release.wait(SOON)
        return RepositoryListing({})

    async with watching(hanging) as (watcher, listings):
        await begun.wait()
        asking = asyncio.create_task(watcher.rescan())
        await asyncio.sleep(0)
    release.set()
    assert listings.all == []
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_repository_that_comes_back_is_watched_again(root, tmp_path):
    async with watching(real_scan(root), roots=[root]) as (watcher, listings):
        await listings.until(versions(1))
        await settled(watcher)
        root.rename(tmp_path / "away")
        await listings.until(lambda listing: listing.unreachable)
        shutil.copytree(tmp_path / "away", root)  # other folders than those watched so far
        await settled(watcher)  # a poll that finds it back
        listings.all.clear()
        (root / "m/2").mkdir()
        (root / "m/2/model.pt").write_bytes(b"x")
        await listings.until(versions(2))
