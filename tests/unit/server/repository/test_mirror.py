"""A repository in an object store is served from copies, fetched when they are wanted."""

from __future__ import annotations

import hashlib
import json

import fsspec
import pytest

from server.repository.errors import RepositoryError
from server.repository.local import ScanMemory, locate, scan, verify_version
from server.repository.mirror import Mirror
from server.repository.model_cache import ModelCache
from server.repository.store import Store
from server.repository.store_connection import Connection
from server.repository.store_url import StoreUrl

URL = StoreUrl("s3", "bucket", "models")


class Failing(Exception):
    pass


class Bucket:
    """fsspec's file system in memory in place of a store's, which counts reads and fails."""

    def __init__(self) -> None:
        self.fs = fsspec.filesystem("memory", skip_instance_cache=True)
        self.fs.store, self.fs.pseudo_dirs = {}, [""]
        self.protocol, self.async_impl = "memory", False
        self.ranges: list[tuple[str, int, int]] = []
        self.fails_after: int | None = None
        self.down: Exception | None = None
        self.on_read = lambda: None

    def put(self, key: str, data: bytes) -> None:
        self.fs.pipe_file(f"/bucket/models/{key}", data)

    def _strip_protocol(self, path: str) -> str:
        return "/" + path.partition("://")[2]

    def find(self, path, detail):
        if self.down:
            raise self.down
        return self.fs.find(path, detail=detail)

    def cat_file(self, path, start, end):
        if self.down or len(self.ranges) == self.fails_after:
            raise self.down or Failing("secret")
        self.ranges.append((path.rpartition("/")[2], start, end))
        self.on_read()
        return self.fs.cat_file(path, start=start, end=end)


@pytest.fixture
def bucket():
    return Bucket()


@pytest.fixture
def cache(tmp_path):
    cache = ModelCache(tmp_path / "cache", 1 << 20)
    yield cache
    cache.close()


@pytest.fixture
def mirror(bucket, cache):
    return Mirror(Store(URL, Connection("s3", lambda: bucket)), cache)


def look(mirror, memory=None, now=1e10):
    return scan([mirror], now=now, memory=memory or ScanMemory())


def read(entry, version=1):
    return locate(entry, version).path.read_bytes()


def with_manifest(bucket, version: str, data: bytes, said: bytes | None = None):
    digest = hashlib.sha256(said or data).hexdigest()
    files = {"model.onnx": {"size": len(data), "sha256": digest}}
    bucket.put(f"{version}/model.onnx", data)
    bucket.put(f"{version}/manifest.json", json.dumps({"files": files}).encode())


def test_a_listing_fetches_settings_and_samples_but_no_version(bucket, mirror):
    bucket.put("a/model.yaml", b"max_batch_size: 7\n")
    bucket.put("a/golden/one.npz", b"golden")
    bucket.put("a/1/model.onnx", b"weights")

    entry = look(mirror).models["a"]

    assert entry.settings.max_batch_size == 7
    assert [path.rpartition("/")[2] for path in entry.golden_files] == ["one.npz"]
    assert (entry.versions, entry.sizes) == ((1,), {1: 7})
    assert {name for name, *_ in bucket.ranges} == {"model.yaml", "one.npz"}
    assert not (mirror.folder / "a" / "1").exists()


def test_a_version_that_is_fetched_is_read_like_any_other(bucket, mirror):
    bucket.put("a/1/model.onnx", b"weights")
    entry = look(mirror).models["a"]

    mirror.fetch("a", 1)

    assert read(entry) == b"weights"
    assert mirror.holds("a", 1, entry.fingerprints[1])


def test_it_is_fetched_once(bucket, mirror, cache):
    bucket.put("a/1/model.onnx", b"weights")
    look(mirror)
    mirror.fetch("a", 1)
    mirror.fetch("a", 1)

    again = Mirror(Store(URL, Connection("s3", lambda: bucket)), cache)
    look(again)
    again.fetch("a", 1)

    assert len(bucket.ranges) == 1


def test_settings_that_change_or_go_are_followed(bucket, mirror):
    memory = ScanMemory()
    bucket.put("a/1/model.onnx", b"weights")
    bucket.put("a/model.yaml", b"max_batch_size: 7\n")
    look(mirror, memory)
    bucket.put("a/model.yaml", b"max_batch_size: 9\n")
    assert look(mirror, memory, now=1e10 + 9).models["a"].settings.max_batch_size == 9

    bucket.fs.rm("/bucket/models/a/model.yaml")

    assert look(mirror, memory, now=1e10 + 18).models["a"].settings.max_batch_size != 9


def test_a_download_that_ended_goes_on_where_it_ended(bucket, mirror, monkeypatch):
    monkeypatch.setattr("server.repository.download.CHUNK", 4)
    bucket.put("a/1/model.onnx", b"0123456789")
    entry = look(mirror).models["a"]
    bucket.fails_after = 2
    with pytest.raises(RepositoryError, match=r"cannot be reached.*\(Failing\)") as refused:
        mirror.fetch("a", 1)
    assert "secret" not in refused.value.reason
    assert not (mirror.folder / "a" / "1").exists()
    bucket.fails_after = None

    mirror.fetch("a", 1)

    assert read(entry) == b"0123456789"
    assert [(start, end) for _, start, end in bucket.ranges] == [(0, 4), (4, 8), (8, 10)]


def test_what_changes_while_it_is_downloaded_is_not_taken(bucket, mirror, monkeypatch):
    monkeypatch.setattr("server.repository.download.CHUNK", 4)
    bucket.put("a/1/model.onnx", b"0123456789")
    look(mirror)
    bucket.on_read = lambda: bucket.put("a/1/model.onnx", b"abcdefghij")

    with pytest.raises(RepositoryError, match="changed in the store"):
        mirror.fetch("a", 1)

    bucket.on_read = lambda: None
    entry = look(mirror).models["a"]
    mirror.fetch("a", 1)
    assert read(entry) == b"abcdefghij"


def test_a_version_that_changed_is_fetched_anew(bucket, mirror):
    memory = ScanMemory()
    bucket.put("a/1/model.onnx", b"old")
    look(mirror, memory)
    mirror.fetch("a", 1)
    bucket.put("a/1/model.onnx", b"new!")
    entry = look(mirror, memory).models["a"]
    assert not mirror.holds("a", 1, entry.fingerprints[1])

    mirror.fetch("a", 1)

    assert read(entry) == b"new!"


def test_a_version_is_whole_once_its_manifest_is_met(bucket, mirror):
    memory = ScanMemory()
    with_manifest(bucket, "a/1", b"weights")
    bucket.fs.rm("/bucket/models/a/1/model.onnx")
    assert "is not there" in look(mirror, memory).models["a"].incomplete[1]

    bucket.put("a/1/model.onnx", b"weights")

    assert look(mirror, memory).models["a"].versions == (1,)


def test_content_that_is_not_the_manifests_is_seen(bucket, mirror):
    with_manifest(bucket, "a/1", b"weights", said=b"WEIGHTS")
    entry = look(mirror).models["a"]
    mirror.fetch("a", 1)
    assert "SHA-256" in verify_version(entry, 1)

    mirror.discard("a", 1)

    assert not mirror.holds("a", 1, entry.fingerprints[1])


def test_a_store_that_is_down_keeps_what_was_listed(bucket, mirror):
    memory = ScanMemory()
    bucket.put("a/1/model.onnx", b"weights")
    before = look(mirror, memory)
    bucket.down = ConnectionError("10.0.0.1")

    listing = look(mirror, memory)

    assert listing.models["a"].versions == before.models["a"].versions
    assert "cannot be reached" in listing.unreachable[1]
    assert "10.0.0.1" not in listing.unreachable[1]


def test_a_store_that_holds_nothing_any_more_keeps_what_was_listed(bucket, mirror):
    memory = ScanMemory()
    bucket.put("a/1/model.onnx", b"weights")
    look(mirror, memory)
    bucket.fs.rm("/bucket/models", recursive=True)

    listing = look(mirror, memory)

    assert listing.models["a"].versions == (1,)
    assert listing.unreachable


def test_a_store_that_is_down_at_the_first_look_is_an_error(bucket, mirror):
    bucket.down = PermissionError("key AKIA is wrong")
    with pytest.raises(RepositoryError, match="refuses the credentials") as refused:
        look(mirror)
    assert "AKIA" not in refused.value.reason


def test_room_is_made_by_what_is_longest_out_of_use(bucket, mirror, cache):
    for version in (1, 2, 3):
        bucket.put(f"a/{version}/model.onnx", b"x" * 400_000)
    look(mirror)
    mirror.fetch("a", 1)
    mirror.fetch("a", 2)
    mirror.keep_only({("a", 2)})

    mirror.fetch("a", 3)

    held = sorted(path.name for path in (mirror.folder / "a").iterdir() if path.is_dir())
    assert held == ["2", "3"]


def test_what_is_in_use_is_never_removed(bucket, mirror):
    for version in (1, 2, 3):
        bucket.put(f"a/{version}/model.onnx", b"x" * 400_000)
    look(mirror)
    mirror.fetch("a", 1)
    mirror.fetch("a", 2)

    with pytest.raises(RepositoryError, match="--model-cache-bytes 1048576"):
        mirror.fetch("a", 3)


def test_a_cache_is_one_servers_alone(cache):
    with pytest.raises(RepositoryError, match="another server uses it"):
        ModelCache(cache.folder, 1 << 20)


def test_hostile_keys_leave_nothing_outside_the_cache(bucket, mirror, cache, tmp_path):
    for key in ("a/1/../../../evil", "../evil", "a/1/x\\..\\y", "a/golden/../../evil"):
        bucket.fs.store[f"/bucket/models/{key}"] = fsspec.implementations.memory.MemoryFile(
            bucket.fs, key, b"evil"
        )
    bucket.put("a/1/model.onnx", b"weights")
    bucket.put("b/1/model.onnx", b"weights")

    listing = look(mirror)
    mirror.fetch("b", 1)

    assert "is no file's name" in listing.models["a"].incomplete[1]
    assert list(tmp_path.rglob("*evil*")) == []
