"""Credentials of S3 that were wrong and are put right in their file are found without a restart."""

from __future__ import annotations

import importlib.util

import pytest

from server.repository import store_connection
from server.repository.errors import RepositoryError
from server.repository.store import Store
from server.repository.store_url import StoreUrl
from tests.harness import stores

pytestmark = pytest.mark.skipif(
    not stores.RCLONE.exists() or importlib.util.find_spec("s3fs") is None,
    reason="rclone or s3fs is not installed",
)


def write(file, secret: str) -> None:
    file.write_text(
        f"[default]\naws_access_key_id = {stores.KEY}\naws_secret_access_key = {secret}\n"
    )


def test_a_secret_that_is_put_right(tmp_path, monkeypatch):
    (tmp_path / "buckets" / "models" / "a").mkdir(parents=True)
    (tmp_path / "buckets" / "models" / "a" / "model.yaml").write_text("runtime: echo")
    file = tmp_path / "credentials"
    write(file, "WRONG")
    with stores.running(stores.s3(tmp_path / "buckets")) as running:
        environment = stores.s3_environment(running)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.pop(name)
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        store = Store(StoreUrl("s3", "models", ""))
        with pytest.raises(RepositoryError, match="refuses the credentials"):
            store.list()
        write(file, stores.SECRET)
        monkeypatch.setattr(store_connection, "RECONNECT_SECONDS", 0.0)
        with pytest.raises(RepositoryError, match="refuses the credentials"):
            store.list()  # that it is refused has it look again the next time

        assert [item.key for item in store.list()] == ["a/model.yaml"]
