"""A store that is down when a server starts is served from what the cache can tell."""

from __future__ import annotations

import pytest

from server.repository import last_seen
from server.repository.errors import RepositoryError
from server.repository.listing import RepositoryListing
from server.repository.local import ScanMemory, scan
from server.repository.mirror import Mirror
from server.repository.model_cache import ModelCache
from server.repository.store import Store
from server.repository.store_connection import Connection
from tests.unit.server.repository.test_mirror import URL, Bucket, read, with_manifest


@pytest.fixture
def bucket():
    return Bucket()


class Server:
    """What one server's looks go through; the next one has the same folder."""

    def __init__(self, folder, bucket) -> None:
        self._cache = ModelCache(folder, 1 << 20)
        self.mirror = Mirror(Store(URL, Connection("s3", lambda: bucket)), self._cache)
        self.memory = ScanMemory()

    def look(self, *others, now: float = 1e10, quiet_period: float = 0.0) -> RepositoryListing:
        return scan(
            [self.mirror, *others], now=now, memory=self.memory, stores_may_wait=True,
            quiet_period=quiet_period,
        )  # fmt: skip

    def stop(self) -> None:
        self._cache.close()


@pytest.fixture
def start(tmp_path, bucket):
    servers = []

    def start() -> Server:
        for server in servers:
            server.stop()
        servers.append(Server(tmp_path / "cache", bucket))
        return servers[-1]

    yield start
    servers[-1].stop()


def test_without_a_cache_nothing_is_known_until_the_store_answers(bucket, start):
    bucket.put("a/1/model.onnx", b"weights")
    bucket.down = ConnectionError()
    server = start()

    listing = server.look()
    assert (dict(listing.models), listing.unseen) == ({}, listing.unreachable)
    assert "cannot be reached" in listing.unseen[1]

    bucket.down = None
    listing = server.look()
    assert (listing.models["a"].versions, listing.unseen) == ((1,), {})

    bucket.down = ConnectionError()
    listing = server.look()
    assert (list(listing.unreachable), listing.unseen) == ([1], {})


def test_a_folder_beside_it_is_served_meanwhile(bucket, start, tmp_path):
    (tmp_path / "models" / "f" / "1").mkdir(parents=True)
    (tmp_path / "models" / "f" / "1" / "model.onnx").write_bytes(b"weights")
    bucket.down = ConnectionError()
    assert list(start().look(tmp_path / "models").models) == ["f"]


def test_who_does_not_wait_is_told(bucket, start):
    bucket.down = PermissionError()
    with pytest.raises(RepositoryError, match="refuses the credentials"):
        scan([start().mirror], memory=ScanMemory())


def test_versions_in_the_cache_are_served_as_the_store_last_had_them(bucket, start):
    bucket.put("a/model.yaml", b"max_batch_size: 7\n")
    with_manifest(bucket, "a/1", b"one")
    with_manifest(bucket, "a/2", b"two")
    before = start()
    was = before.look().models["a"]
    before.mirror.fetch("a", 1)
    bucket.down = ConnectionError()
    server = start()

    listing = server.look()

    entry = listing.models["a"]
    assert (list(listing.unreachable), listing.unseen) == ([1], {})
    assert (entry.versions, list(entry.incomplete)) == ((1,), [2])
    assert entry.settings == was.settings
    assert entry.fingerprints == was.fingerprints
    assert entry.sizes[1] == was.sizes[1]
    server.mirror.fetch("a", 1)
    assert read(entry) == b"one"
    with pytest.raises(RepositoryError, match="not in the model cache"):
        server.mirror.fetch("a", 2)

    bucket.down = None
    entry = server.look().models["a"]
    assert (entry.versions, dict(entry.incomplete)) == ((1, 2), {})
    server.mirror.fetch("a", 2)
    assert read(entry, 2) == b"two"


def test_where_none_is_in_the_cache_all_are_offered_and_cannot_be_fetched(bucket, start):
    with_manifest(bucket, "a/1", b"one")
    start().look()
    bucket.down = ConnectionError()
    server = start()

    assert server.look().models["a"].versions == (1,)
    with pytest.raises(RepositoryError, match="the store cannot be listed"):
        server.mirror.fetch("a", 1)


def test_a_version_that_was_not_whole_is_not_served_later_either(bucket, start):
    bucket.put("a/1/model.onnx", b"half")
    now = bucket.fs.created("/bucket/models/a/1/model.onnx").timestamp()
    assert start().look(now=now, quiet_period=60).models["a"].versions == ()
    bucket.down = ConnectionError()

    assert start().look(now=now + 3600, quiet_period=60).models["a"].versions == ()


def test_a_copy_that_is_no_longer_what_the_store_had_is_not_served(bucket, start):
    bucket.put("a/1/model.onnx", b"one")
    server = start()
    server.look()
    server.mirror.fetch("a", 1)
    bucket.put("a/1/model.onnx", b"another")
    server.look(now=2e10)
    bucket.down = ConnectionError()
    server = start()

    server.look()

    with pytest.raises(RepositoryError, match="not in the model cache"):
        server.mirror.fetch("a", 1)


def test_what_was_removed_from_the_store_is_not_served(bucket, start):
    bucket.put("a/1/model.onnx", b"one")
    bucket.put("b/1/model.onnx", b"one")
    server = start()
    server.look()
    server.mirror.fetch("a", 1)
    bucket.fs.rm("/bucket/models/a", recursive=True)
    server.look()
    bucket.down = ConnectionError()

    assert list(start().look().models) == ["b"]


def test_a_store_that_comes_back_empty_counts_as_down(bucket, start):
    bucket.put("a/1/model.onnx", b"one")
    server = start()
    server.look()
    server.mirror.fetch("a", 1)
    bucket.down = ConnectionError()
    server = start()
    server.look()
    bucket.down = None
    bucket.fs.rm("/bucket/models/a", recursive=True)

    listing = server.look()

    assert listing.models["a"].versions == (1,)
    assert "no model any more" in listing.unreachable[1]


def test_a_cache_that_cannot_be_written_is_said_and_no_more(bucket, start, monkeypatch):
    def refuse(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(last_seen, "keep", refuse)
    bucket.put("a/1/model.onnx", b"one")
    assert start().look().models["a"].versions == (1,)


def test_version_1_of_another_repository_is_another_version_1(bucket, start, tmp_path):
    (tmp_path / "models" / "a" / "1").mkdir(parents=True)
    (tmp_path / "models" / "a" / "1" / "model.onnx").write_bytes(b"weights")
    bucket.put("a/1/model.onnx", b"one")
    bucket.down = ConnectionError()
    server = start()
    in_folder = server.look(tmp_path / "models").models["a"].settings
    bucket.down = None
    in_store = server.look(tmp_path / "models").models["a"].settings
    assert in_folder.origin != in_store.origin
