"""What is followed at the start depends on who decides what is loaded."""

from __future__ import annotations

import asyncio

import pytest

from server.config import ConfigError, ModelControl, Settings
from server.following import Following
from server.repository.errors import RepositoryError
from server.repository.listing import RepositoryListing
from server.repository.store_url import StoreUrl

DOWN = RepositoryListing({}, unreachable={1: "down"}, unseen={1: "down"})


class Supply:
    """Gives one listing after the other, the last one again and again."""

    def __init__(self, *listings: RepositoryListing | RepositoryError) -> None:
        self._listings = list(listings)
        self.calls: list[str] = []

    def scan(self) -> RepositoryListing:
        found = self._listings[0]
        del self._listings[: len(self._listings) > 1]
        if isinstance(found, RepositoryError):
            raise found
        return found

    def release(self, manager) -> None:
        pass

    def note(self, listing) -> None:
        self.calls.append(f"note {list(listing.unseen)}")

    def announce(self, listing, manager) -> None:
        self.calls.append(f"announce {list(listing.unseen)}")

    def offer(self, name, manager, cause) -> None:
        self.calls.append(f"load {name}")


def following(supply: Supply, control: ModelControl) -> Following:
    load = ("a",) if control is ModelControl.EXPLICIT else ()
    settings = Settings(
        (StoreUrl("s3", "box", ""),), model_control=control, load_models=load, poll_interval=0.01
    )
    return Following(settings, supply, manager=None)  # type: ignore[arg-type]


async def test_under_poll_the_start_goes_on_without_the_store_and_is_over_when_it_answers():
    supply = Supply(DOWN, DOWN, DOWN, RepositoryListing({}))
    followed = following(supply, ModelControl.POLL)

    await followed.start()
    assert supply.calls == ["announce [1]"]
    async with asyncio.timeout(10):
        await followed.seen()

    await followed.stop()
    assert supply.calls == ["announce [1]"] * 3 + ["announce []"]


async def test_under_explicit_what_is_named_is_loaded_once_the_store_answers():
    supply = Supply(DOWN, DOWN, RepositoryListing({}))
    followed = following(supply, ModelControl.EXPLICIT)

    async with asyncio.timeout(10):
        await followed.start()
        await followed.seen()

    await followed.stop()
    assert supply.calls == ["note [1]", "note [1]", "note []", "load a"]


async def test_a_repository_that_cannot_be_read_at_all_ends_the_start():
    followed = following(Supply(RepositoryError("it is gone")), ModelControl.NONE)
    with pytest.raises(ConfigError, match="model-repository: it is gone"):
        await followed.start()
