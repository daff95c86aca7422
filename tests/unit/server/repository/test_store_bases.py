"""A model whose base path is in an object store is served like one whose base path is a folder."""

from __future__ import annotations

import pytest

from server.repository.errors import RepositoryError
from server.repository.local import ScanMemory, locate, scan
from server.repository.model_cache import ModelCache
from server.repository.served import ServedModel
from server.repository.settings import VersionPolicy
from server.repository.store_bases import NOTHING_THERE, StoreBases
from server.repository.store_connection import Connection
from tests.unit.server.repository.test_mirror import Bucket, with_manifest

BASE = "s3://bucket/models/a"


@pytest.fixture
def bucket():
    return Bucket()


class World:
    """One server's looks at models of a model config."""

    def __init__(self, folder, bucket) -> None:
        self.connections: list[str] = []
        self.cache = ModelCache(folder, 1 << 20)
        self.bases = StoreBases(lambda: self.cache, connection=self._connect)
        self.memory = ScanMemory()
        self._one = Connection("s3", lambda: bucket)

    def _connect(self, scheme: str) -> Connection:
        self.connections.append(scheme)
        return self._one

    def look(self, *models: ServedModel, may_wait: bool = True):
        return scan(
            [], served=models, now=1e10, memory=self.memory, stores_may_wait=may_wait,
            bases=self.bases,
        )  # fmt: skip

    def one(self, model: ServedModel):
        return self.look(model).models[model.name]


@pytest.fixture
def start(tmp_path, bucket):
    worlds = []

    def start() -> World:
        for world in worlds:
            world.cache.close()
        worlds.append(World(tmp_path / "cache", bucket))
        return worlds[-1]

    yield start
    worlds[-1].cache.close()


def fetched(world: World, entry, version: int = 1) -> bytes:
    mirror = world.bases.mirror_of(entry)
    mirror.fetch(entry.name, version)
    return locate(entry, version).path.read_bytes()


def test_versions_settings_and_the_entry_count(bucket, start):
    with_manifest(bucket, "a/1", b"one")
    with_manifest(bucket, "a/2", b"two")
    bucket.put("a/model.yaml", b"max_batch_size: 7\n")
    model = ServedModel("m", BASE, "onnx", VersionPolicy(latest=2), {"stable": 1})
    world = start()

    entry = world.one(model)

    assert (entry.versions, entry.settings.max_batch_size) == ((1, 2), 7)
    assert (entry.settings.labels, entry.settings.runtime) == ({"stable": 1}, "onnx")
    assert entry.settings.origin == model.origin
    assert (fetched(world, entry), fetched(world, entry, 2)) == (b"one", b"two")


def test_models_beside_it_in_the_store_are_none_of_it(bucket, start):
    with_manifest(bucket, "a/1", b"one")
    with_manifest(bucket, "ab/2", b"two")
    assert start().one(ServedModel("m", BASE)).versions == (1,)


def test_two_models_of_one_base_path_have_copies_of_their_own(bucket, start):
    with_manifest(bucket, "a/1", b"one")
    world = start()
    listing = world.look(ServedModel("m", BASE), ServedModel("n", BASE))
    copies = {locate_of(world, entry) for entry in listing.models.values()}
    assert len(copies) == 2


def locate_of(world, entry):
    fetched(world, entry)
    return locate(entry, 1).path


def test_another_base_path_is_another_model(bucket, start):
    with_manifest(bucket, "a/1", b"one")
    with_manifest(bucket, "b/1", b"another")
    world = start()
    first = world.one(ServedModel("m", BASE))
    second = world.one(ServedModel("m", "s3://bucket/models/b"))
    assert fetched(world, second) == b"another"
    assert first.settings.origin != second.settings.origin
    assert world.bases.mirror_of(first) is None


def test_a_file_directly_in_it_is_no_version(bucket, start):
    bucket.put("a/model.onnx", b"bare")
    entry = start().one(ServedModel("m", BASE))
    assert (entry.versions, entry.bare, entry.settings.default_artifact) == ((), False, "")


def test_where_nothing_is_the_start_goes_on(bucket, start):
    listing = start().look(ServedModel("m", BASE))
    assert (listing.models["m"].error, listing.unseen) == (NOTHING_THERE, {})


def test_a_store_that_is_down_is_waited_for_or_not(bucket, start):
    bucket.put("a/1/model.onnx", b"one")
    bucket.down = ConnectionError()
    with pytest.raises(RepositoryError, match="model 'm': the store cannot be reached"):
        start().look(ServedModel("m", BASE), may_wait=False)
    world = start()

    listing = world.look(ServedModel("m", BASE))
    assert "model 'm': the store cannot be reached" in listing.unseen[0]

    bucket.down = None
    listing = world.look(ServedModel("m", BASE))
    assert (listing.models["m"].versions, listing.unseen) == ((1,), {})

    bucket.down = ConnectionError()
    listing = world.look(ServedModel("m", BASE))
    assert (listing.models["m"].versions, listing.unseen) == ((1,), {})
    assert "cannot be reached" in listing.models["m"].unreachable


def test_after_a_restart_the_cache_tells(bucket, start):
    with_manifest(bucket, "a/1", b"one")
    before = start()
    fetched(before, before.one(ServedModel("m", BASE)))
    bucket.down = ConnectionError()
    world = start()

    listing = world.look(ServedModel("m", BASE))

    assert (listing.models["m"].versions, listing.unseen) == ((1,), {})
    assert fetched(world, listing.models["m"]) == b"one"


def test_a_store_that_is_down_is_asked_once_in_a_look(bucket, start, monkeypatch):
    asked = []
    monkeypatch.setattr(bucket, "find", lambda path, detail: asked.append(path) or down())

    def down():
        raise ConnectionError

    world = start()
    models = [ServedModel(name, f"s3://bucket/models/{name}") for name in "abc"]
    listing = world.look(*models)
    world.look(*models)
    assert asked == ["/bucket/models/a"] * 2
    assert all("cannot be reached" in entry.error for entry in listing.models.values())


def test_a_cache_that_cannot_be_used_is_the_models_error(bucket):
    def refuse():
        raise RepositoryError("model-cache: another server uses it")

    listing = scan([], served=[ServedModel("m", BASE)], memory=ScanMemory(),
                   bases=StoreBases(refuse), stores_may_wait=True)  # fmt: skip
    assert listing.models["m"].error == "model-cache: another server uses it"
