"""Models are served from real object stores, and go on being served while a store is down."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.repository.download import CHUNK
from tests.harness import stores
from tests.harness.echo_repository import add_echo
from tests.harness.hub import Hub
from tests.harness.operator import FAST, Operator, until
from tests.harness.server_process import ServerProcess, serving

pytestmark = pytest.mark.slow

SOON = (*FAST, "--load-retry-delay", "0.3", "--load-retries", "30")
BIG = 20 << 20
UNSEEN = "object store cannot be read yet; trying again, a start waits for it"


def needs(program: Path, package: str) -> pytest.MarkDecorator:
    there = program.exists() and importlib.util.find_spec(package) is not None
    return pytest.mark.skipif(not there, reason=f"{program.name} or {package} is not installed")


with_s3 = needs(stores.RCLONE, "s3fs")
with_gcs = needs(stores.GCS, "gcsfs")
with_azure = needs(stores.AZURITE, "adlfs")


def add_version(folder: Path, version: int, size: int = 10) -> None:
    """A version as `folder`'s store would have it: no store knows empty folders or half a file."""
    aside = Path(tempfile.mkdtemp(dir=folder.parents[2]))  # outside of what the store lists
    (aside / "weights.bin").write_bytes(os.urandom(size))
    aside.rename(folder / str(version))


def fresh(root: Path, name: str) -> Path:
    (root / name).mkdir(parents=True)
    return add_echo(root, name, versions=())


@pytest.fixture(scope="module")
def buckets(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("buckets")
    fresh(folder / "models" / "prod", "first")
    add_version(folder / "models" / "prod" / "first", 1)
    return folder


@pytest.fixture(scope="module")
def root(buckets) -> Path:
    return buckets / "models" / "prod"


@pytest.fixture(scope="module")
def store(buckets):
    with stores.running(stores.s3(buckets)) as store:
        yield store


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def at(store, cache):
    arguments = ("--model-repository", "s3://models/prod", "--model-cache", str(cache), *SOON)
    with serving(arguments=arguments, environment=stores.s3_environment(store)) as server:
        yield Operator(server)


@with_s3
def test_what_is_in_the_bucket_is_served(at, cache):
    assert at.answers("first") == "1"
    assert [path.parts[-3:] for path in cache.rglob("first/*/weights.bin")] == [
        ("first", "1", "weights.bin")
    ]
    assert at.metric("underway_repository_reachable", repository="1") == 1
    cached = sum(path.stat().st_size for path in cache.rglob("weights.bin"))
    assert at.metric("underway_store_received_bytes_total", repository="1") == cached


@with_s3
def test_a_version_that_is_uploaded_takes_over(at, root):
    folder = fresh(root, "second")
    add_version(folder, 1)
    at.until_answers("second", 1)
    before = at.metric("underway_store_received_bytes_total", repository="1")

    add_version(folder, 2)

    at.until_answers("second", 2)
    at.until_states("second", v1="UNAVAILABLE", v2="READY")
    assert at.metric("underway_store_received_bytes_total", repository="1") == before + 10


@with_s3
def test_a_download_goes_on_after_the_store_was_gone_and_what_is_loaded_serves(
    at, root, store, cache
):
    add_version(fresh(root, "big"), 1)
    at.until_answers("big", 1)
    before = at.metric("underway_store_received_bytes_total", repository="1")
    store.stop()
    store.start("--bwlimit", "2M")  # slow enough to be stopped in the middle
    at.server.forget()
    add_version(root / "big", 2, BIG)
    parts = functools.partial(cache.rglob, "weights.bin.part")
    until(lambda: any(path.stat().st_size >= CHUNK for path in parts()), 90)
    store.stop()

    until(lambda: "cannot be reached" in at.reason("big", "1"), 60)
    # The store's client asks again for a while, and a store that is back by then was not gone.
    at.until_reason("big", "2", "attempt")
    assert at.metric("underway_repository_reachable", repository="1") == 0
    assert at.answers("big") == "1"

    store.start()
    at.until_answers("big", 2)
    at.server.wait_for("downloaded", version=2)
    resumed = [e["resumed_at"] for e in at.server.events if "resumed_at" in e]
    assert resumed[0] == 0
    assert resumed[-1] >= CHUNK
    until(lambda: at.metric("underway_repository_reachable", repository="1") == 1)
    received = at.metric("underway_store_received_bytes_total", repository="1") - before
    assert received == BIG
    until(lambda: at.reason("big", "2") == "")


@contextlib.contextmanager
def listening(*arguments: str, environment: dict[str, str]) -> Iterator[Operator]:
    """A server that takes requests and may have nothing to serve yet."""
    server = ServerProcess(*arguments, *SOON, environment=environment)
    try:
        addresses = server.wait_for("listening")
        server.http_port, server.metrics_port = addresses["rest"], addresses["metrics"]
        yield Operator(server)
        assert server.stop() == 0
    finally:
        server.process.kill()


@with_s3
def test_a_store_that_is_down_at_the_start_is_waited_for_and_then_served_from_the_cache(tmp_path):
    bucket = tmp_path / "buckets" / "models"
    for root, name in ((bucket / "prod", "late"), (bucket, "named")):
        fresh(root, name)
        add_version(root / name, 1)
    store = stores.s3(tmp_path / "buckets")
    arguments = (
        "--model-repository", "s3://models/prod", "--model-cache", str(tmp_path / "cache"),
        "--model-base-path", "s3://models/named", "--model-name", "named",
    )  # fmt: skip
    environment = stores.s3_environment(store)
    try:
        with listening(*arguments, environment=environment) as at:
            for repository in (1, "model config"):
                said = at.server.wait_for(UNSEEN, repository=repository)
                assert "cannot be reached" in said["reason"]
            for repository in ("0", "1"):
                assert at.metric("underway_repository_reachable", repository=repository) == 0
            assert (at.get("/v2/health/live").status_code, at.ready()) == (200, False)

            store.start()
            at.server.wait_for("object store can be read now", repository=1)
            assert str(at.server.events).count(UNSEEN) == 2
            until(at.ready)
            assert (at.answers("late"), at.answers("named")) == ("1", "1")

        store.stop()
        with listening(*arguments, environment=environment) as at:
            until(at.ready)
            for name in ("late", "named"):
                at.until_answers(name, 1)
                assert "cannot be reached" in at.reason(name, "1")
            assert at.metric("underway_repository_reachable", repository="1") == 0

            add_version(bucket / "prod" / "late", 2)
            add_version(bucket / "named", 2)
            store.start()
            at.until_answers("late", 2)
            at.until_answers("named", 2)
    finally:
        store.stop()


def say_no_secret(text: str) -> None:
    assert "the store refuses the credentials" in text
    assert "WRONGSECRET" not in text
    assert stores.KEY not in text


@with_s3
def test_wrong_credentials_are_said_and_nothing_secret(store, tmp_path):
    arguments = ("--model-repository", "s3://models/prod", "--model-cache", str(tmp_path))
    environment = stores.s3_environment(store, "WRONGSECRET")
    with listening(*arguments, environment=environment) as at:
        at.server.wait_for(UNSEEN)
        assert not at.ready()
        say_no_secret(str(at.server.events))


@with_s3
def test_nobody_waits_for_a_store_that_would_never_be_looked_at_again(store, tmp_path):
    server = ServerProcess(
        "--model-repository", "s3://models/prod", "--model-cache", str(tmp_path),
        "--model-control", "none", environment=stores.s3_environment(store, "WRONGSECRET"),
    )  # fmt: skip
    assert server.process.wait(60) == 2
    with pytest.raises(RuntimeError, match="the server ended") as ended:
        server.wait_for("listening and never so")
    say_no_secret(str(ended.value))


@with_gcs
def test_google_cloud_storage(tmp_path):
    fresh(tmp_path / "up" / "prod", "g")
    add_version(tmp_path / "up" / "prod" / "g", 1)
    arguments = ("--model-repository", "gs://box/prod", "--model-cache", str(tmp_path / "c"), *SOON)
    with stores.running(stores.gcs()) as store:
        stores.put_in_gcs(store, "box", tmp_path / "up")
        environment = {"STORAGE_EMULATOR_HOST": store.url}
        with serving(arguments=arguments, environment=environment) as server:
            assert Operator(server).answers("g") == "1"


@with_azure
def test_azure_blob_storage(tmp_path):
    fresh(tmp_path / "up" / "prod", "z")
    add_version(tmp_path / "up" / "prod" / "z", 1)
    arguments = ("--model-repository", "az://box/prod", "--model-cache", str(tmp_path / "c"), *SOON)
    with stores.running(stores.azure(tmp_path / "azure")) as store:
        stores.put_in_azure(store, "box", tmp_path / "up")
        with serving(arguments=arguments, environment=stores.azure_environment(store)) as server:
            assert Operator(server).answers("z") == "1"


@pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed"
)
def test_a_model_hub(tmp_path):
    root = tmp_path / "hub" / "acme" / "models" / "prod"
    fresh(root, "h")
    add_version(root / "h", 1, 5000)
    arguments = ("--model-repository", "hf://acme/models/prod", "--model-cache",
                 str(tmp_path / "c"), *SOON)  # fmt: skip
    with (
        Hub(tmp_path / "hub", token="right").running() as hub,
        serving(arguments=arguments, environment=hub.environment("right")) as server,
    ):
        at = Operator(server)
        assert at.answers("h") == "1"

        add_version(root / "h", 2)
        at.until_answers("h", 2)

        hub.fails = 503
        until(lambda: "cannot be reached" in at.reason("h", "2"))
        assert at.answers("h") == "2"
        hub.fails = 0
        until(lambda: at.reason("h", "2") == "")
