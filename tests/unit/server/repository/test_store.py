"""What a store answers, and why it does not, in words that give nothing away."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from server.repository import store_connection, store_listing
from server.repository.errors import RepositoryError
from server.repository.store import Store
from server.repository.store_connection import Connection, missing, open_filesystem
from server.repository.store_errors import explained
from server.repository.store_keys import StoreObject
from server.repository.store_url import StoreUrl

URL = StoreUrl("gs", "bucket", "p")


class NoCredentialsError(Exception):
    pass


class Answered(Exception):
    def __init__(self, **facts: object) -> None:
        super().__init__("https://key:secret@host")
        for name, value in facts.items():
            setattr(self, name, value)


class Fake:
    protocol, async_impl = ("gs",), False

    def __init__(self, listed=(), error=None) -> None:
        self._listed, self._error = listed, error

    def _strip_protocol(self, path):
        return path.partition("://")[2]

    def find(self, path, detail):
        if self._error is not None:
            raise self._error
        return {info["name"]: info for info in self._listed}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError("secret"), "refuses the credentials"),
        (NoCredentialsError("secret"), "refuses the credentials"),
        (Answered(status_code=403), "refuses the credentials"),
        (Answered(code=401), "refuses the credentials"),
        (Answered(response={"ResponseMetadata": {"HTTPStatusCode": 403}}), "refuses the cred"),
        (FileNotFoundError("secret"), "no such bucket"),
        (Answered(status=404), "no such bucket"),
        (TimeoutError("secret"), "in time"),
        (ConnectionRefusedError("secret"), "cannot be reached"),
        (Answered(status=500), "cannot be reached"),
        (Answered(response="odd", code="odd"), "cannot be reached"),
    ],
)
def test_a_failure_is_told_without_what_the_sdk_says(error, reason):
    assert reason in explained(error).reason
    assert "secret" not in explained(error).reason
    with pytest.raises(RepositoryError, match=reason):
        Store(URL, Connection("s3", lambda: Fake(error=error))).list()


def test_the_cause_behind_a_failure_counts():
    error = OSError("secret")
    error.__cause__ = NoCredentialsError()
    assert "refuses the credentials" in explained(error).reason


def test_refused_credentials_are_looked_for_again_but_not_at_once(monkeypatch):
    clock, connects = [100.0], []
    monkeypatch.setattr(store_connection.time, "monotonic", lambda: clock[0])

    def connect():
        connects.append(clock[0])
        return Fake(error=PermissionError())

    store = Store(URL, Connection("gs", connect))
    for now in (100.0, 120.0, 131.0, 132.0):
        clock[0] = now
        with pytest.raises(RepositoryError):
            store.list()

    assert connects == [100.0, 132.0]


def test_objects_are_listed_below_the_prefix_alone():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    listed = [
        {"name": "bucket/p/a/1/x", "size": 3, "LastModified": at, "ETag": '"e"'},
        {"name": "bucket/p/a/2/x", "size": 4, "updated": "2026-01-01T00:00:00Z", "md5Hash": "m"},
        {"name": "bucket/p/a/3", "size": 0, "type": "directory"},
        {"name": "bucket/p-other/a/1/x", "size": 3},
    ]
    assert Store(URL, Connection("s3", lambda: Fake(listed))).list() == [
        StoreObject("a/1/x", 3, at.timestamp(), '"e"'),
        StoreObject("a/2/x", 4, at.timestamp(), "m"),
    ]


def test_too_many_objects_are_refused(monkeypatch):
    monkeypatch.setattr(store_listing, "MAX_KEYS", 1)
    listed = [{"name": f"bucket/p/a/1/{n}", "size": 3} for n in range(2)]
    with pytest.raises(RepositoryError, match="more than 1 objects"):
        Store(URL, Connection("s3", lambda: Fake(listed))).list()


def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch):
    def refuse(_scheme):
        raise ImportError("no gcsfs")

    monkeypatch.setattr("fsspec.get_filesystem_class", refuse)
    with pytest.raises(RepositoryError) as refused:
        open_filesystem("gs")
    assert refused.value.reason == missing("gs")
    assert "pip install 'underway[gcs]'" in refused.value.reason
