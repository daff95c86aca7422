"""What keeps an object store from ever being read is said before anything starts."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from server.config import ConfigError, Settings
from server.repository import store as module
from server.repository.store_url import StoreUrl
from server.stores import open_repositories
from server.telemetry.repositories import RepositoryMeter

URL = StoreUrl("s3", "bucket", "models")


def open_all(tmp_path):
    settings = Settings((tmp_path, URL), model_cache=tmp_path / "cache")
    return open_repositories(settings, RepositoryMeter(CollectorRegistry()))


def test_an_extra_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "s3fs" else object())
    with pytest.raises(ConfigError, match=r"model-repository: .* pip install 'underway\[s3\]'"):
        open_all(tmp_path)


def test_a_cache_that_another_server_uses(tmp_path):
    _, cache = open_all(tmp_path)
    with pytest.raises(ConfigError, match="model-cache: another server uses it"):
        open_all(tmp_path)
    cache.close()
