"""What keeps an object store from ever being read is said before anything starts."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from server.config import ConfigError, Settings
from server.repository import store_connection
from server.repository.mirror import Mirror
from server.repository.served import ServedModel
from server.repository.store_url import StoreUrl
from server.stores import Stores
from server.telemetry.repositories import RepositoryMeter

URL = StoreUrl("s3", "bucket", "models")
BASE = ServedModel("m", "s3://bucket/m")


def open_all(tmp_path, *repositories, served=(), reload=()):
    settings = Settings(
        (tmp_path, *repositories), model_cache=tmp_path / "cache", reload_folders=reload,
        model_base_path=tmp_path,
    )  # fmt: skip
    return Stores(settings, served, RepositoryMeter(CollectorRegistry()))


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"repositories": (URL,)}, "model-repository"),
        ({"served": (BASE,)}, "model config"),
        ({"reload": (URL,)}, "reload-folder"),
    ],
)
def test_an_extra_that_is_not_installed(tmp_path, monkeypatch, given, setting):
    known = lambda name: None if name == "s3fs" else object()  # noqa: E731
    monkeypatch.setattr(store_connection, "find_spec", known)
    with pytest.raises(ConfigError, match=rf"{setting}: .* pip install 'underway\[s3\]'"):
        open_all(tmp_path, *given.pop("repositories", ()), **given)


@pytest.mark.parametrize("given", [{"served": (BASE,)}, {"reload": (URL,)}])
def test_a_cache_that_another_server_uses(tmp_path, given):
    stores = open_all(tmp_path, URL)
    with pytest.raises(ConfigError, match="model-cache: another server uses it"):
        open_all(tmp_path, **given)
    stores.close()
    open_all(tmp_path, **given).close()


def test_who_names_no_store_needs_no_cache(tmp_path):
    stores = open_all(tmp_path, served=(ServedModel("m", "/srv/m"),))
    assert not (tmp_path / "cache").exists()
    stores.close()


def test_repositories_keep_their_order(tmp_path):
    stores = open_all(tmp_path, URL)
    assert [type(one) is Mirror for one in stores.roots] == [False, True]
    stores.close()
