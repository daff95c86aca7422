"""Models that a model config names by base paths in a real object store."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import grpc
import pytest

from tests.harness import stores
from tests.harness.echo_repository import add_echo, put
from tests.harness.model_configs import config, entry, reloads
from tests.harness.operator import FAST, Operator
from tests.harness.server_process import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not stores.RCLONE.exists() or importlib.util.find_spec("s3fs") is None,
        reason="rclone or s3fs is not installed",
    ),
]


def publish(root: Path, name: str, *versions: int) -> None:
    """A model as its store would have it: no store knows empty folders."""
    if not (root / name).exists():
        (root / name).mkdir(parents=True)
        add_echo(root, name, versions=())
    for version in versions:
        (root / name / str(version)).mkdir()
        (root / name / str(version) / "weights.bin").write_bytes(b"weights")


@pytest.fixture(scope="module")
def buckets(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("buckets")
    for name in ("first", "second"):
        publish(folder / "box" / "prod", name, 1)
    publish(folder / "box" / "production", "foreign", 1)
    return folder


@pytest.fixture(scope="module")
def store(buckets):
    with stores.running(stores.s3(buckets)) as store:
        yield store


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("config") / "models.config"
    put(file, config(entry("first", "s3://box/prod/first")))
    return file


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def at(store, file, cache):
    arguments = ("--model-config-file", str(file), "--model-cache", str(cache), *FAST)
    with serving(arguments=arguments, environment=stores.s3_environment(store)) as server:
        yield Operator(server)


def test_what_the_file_names_is_served_and_a_new_version_takes_over(at, file, cache, buckets):
    put(file, config(*(entry(name, f"s3://box/prod/{name}") for name in ("first", "second"))))
    at.until_answers("first", 1)
    at.until_answers("second", 1)
    assert at.metric("underway_repository_reachable", repository="0") == 1
    received = at.metric("underway_store_received_bytes_total", repository="0")
    assert received == 7 * len([*cache.rglob("weights.bin")]) >= 14

    publish(buckets / "box" / "prod", "first", 2)

    at.until_answers("first", 2)
    assert at.metric("underway_store_received_bytes_total", repository="0") == received + 7


def test_another_base_path_in_the_file_is_followed(at, file):
    put(file, config(entry("first", "s3://box/prod/first"), entry("other", "s3://box/prod/second")))
    at.until_answers("other", 1)


def test_a_call_may_name_base_paths_beside_those_of_the_start_alone(at):
    with reloads(at.server.grpc_address) as reload:
        reload(entry("again", "s3://box/prod/second/"))
        assert at.answers("again") == "1"
        assert at.answers("first") == ""
        for elsewhere in ("s3://box/production/foreign", "s3://box", "s3://boxes/prod/a",
                          "gs://box/prod/second", "/etc"):  # fmt: skip
            with pytest.raises(grpc.RpcError, match="no folder that a call may name"):
                reload(entry("x", elsewhere))
        for wrong in ("s3://box/prod/../production/foreign", "s3://key:secret@box/prod/second"):
            with pytest.raises(grpc.RpcError, match="expected s3://BUCKET/PREFIX"):
                reload(entry("x", wrong))
        with pytest.raises(grpc.RpcError, match="does not exist in the store"):
            reload(entry("x", "s3://box/prod/none"), entry("again", "s3://box/prod/second"))
    assert at.answers("again") == "1"
