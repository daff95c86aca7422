"""What lies in an object store is supplied like what lies in a folder, and fetched for a load."""

from __future__ import annotations

import pytest

from server.repository.mirror import Mirror
from server.repository.model_cache import ModelCache
from server.repository.served import ServedModel
from server.repository.served_set import ServedSet
from server.repository.store import Store
from server.repository.store_bases import StoreBases
from server.repository.store_connection import Connection
from server.repository.store_url import StoreUrl
from server.workers.worker import LoadError
from tests.unit.server.repository.test_mirror import Bucket, with_manifest
from tests.unit.server.supply_world import World


@pytest.fixture
def bucket():
    return Bucket()


@pytest.fixture
def mirror(bucket, tmp_path):
    cache = ModelCache(tmp_path / "cache", 1 << 20)
    yield Mirror(Store(StoreUrl("s3", "bucket", "models"), Connection("s3", lambda: bucket)), cache)
    cache.close()


def find(world: World, version: int = 1):
    return world.supply.find(world.manager.models["a"].settings, version)


async def test_only_what_is_wanted_is_fetched_and_by_the_load(bucket, mirror):
    bucket.put("a/1/model.onnx", b"one")
    bucket.put("a/2/model.onnx", b"two")
    world = World(mirror)

    await world.look()
    assert world.wanted() == {"a": (2,)}
    supplied = find(world, 2)

    assert supplied.spec.artifact.endswith("/a/2/model.onnx")
    assert supplied.unchanged()
    assert not (mirror.folder / "a" / "1").exists()


async def test_a_store_that_is_down_keeps_what_is_loaded_and_is_told(bucket, mirror):
    bucket.put("a/1/model.onnx", b"one")
    world = World(mirror)
    await world.look()
    await world.load_all()
    bucket.down = ConnectionError()

    logs = await world.look()

    assert world.serving("a") == (1,)
    assert "cannot be reached" in world.errors()["a"]
    assert any("cannot be reached" in str(log) for log in logs)

    bucket.down = None
    await world.look()
    assert world.errors() == {}


async def test_a_version_that_could_not_be_fetched_is_tried_again_when_the_store_is_back(
    bucket, mirror
):
    bucket.put("a/1/model.onnx", b"one")
    world = World(mirror)
    await world.look()
    bucket.down = ConnectionError()
    with pytest.raises(LoadError, match="cannot be reached"):
        find(world)
    await world.fail_all()
    await world.look()
    assert not world.loader.pending

    bucket.down = None
    await world.look()

    assert world.loader.pending


async def test_content_that_is_not_what_was_published_is_fetched_anew_the_next_time(bucket, mirror):
    with_manifest(bucket, "a/1", b"weights", said=b"WEIGHTS")
    world = World(mirror)
    await world.look()
    with pytest.raises(LoadError, match="SHA-256"):
        find(world)
    assert not (mirror.folder / "a" / "1").exists()


async def test_what_is_loaded_no_more_may_make_room(bucket, mirror):
    for version in (1, 2):
        bucket.put(f"a/{version}/model.onnx", b"x" * 700_000)
    world = World(mirror)
    await world.look()
    find(world, 1)
    with pytest.raises(LoadError, match="--model-cache-bytes"):
        find(world, 2)

    world.supply.release(world.manager)  # only version 2 is to be loaded

    find(world, 2)
    assert not (mirror.folder / "a" / "1").exists()


async def test_a_base_path_in_a_store_that_is_down_keeps_what_is_loaded_and_is_told(
    bucket, tmp_path
):
    cache = ModelCache(tmp_path / "cache", 1 << 20)
    bases = StoreBases(lambda: cache, connection=lambda scheme: Connection(scheme, lambda: bucket))
    served = ServedSet([ServedModel("a", "s3://bucket/models/a")])
    world = World(served=served, bases=bases)
    with_manifest(bucket, "a/1", b"one")
    await world.look()
    assert find(world).spec.artifact.endswith("/a/1/model.onnx")
    await world.load_all()
    bucket.down = ConnectionError()

    await world.look()
    assert world.serving("a") == (1,)
    assert "what it serves stays: the store cannot be reached" in world.errors()["a"]

    bucket.down = None
    await world.look()
    assert world.errors() == {}
    served.replace([ServedModel("a", "s3://bucket/models/b")])
    with_manifest(bucket, "b/1", b"another")
    settings = world.manager.models["a"].settings
    world.supply.note(world.supply.scan())
    with pytest.raises(LoadError, match="comes from another folder by now"):
        world.supply.find(settings, 1)
    cache.close()
