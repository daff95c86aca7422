"""Reads an object store through fsspec: listings and ranges, bounded in time and number."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, cast

from server.repository.store_connection import Connection
from server.repository.store_keys import StoreObject
from server.repository.store_listing import Info, list_objects
from server.repository.store_url import StoreUrl

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

READ_SECONDS = 60.0
"""How long one read of a range may take in all, retries of the SDK included."""

_TAGS = ("ETag", "etag", "md5Hash", "generation", "content_md5", "blob_id")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created", "timeCreated")


class Store:
    """One repository in an object store. Every method may take a while: call them in threads."""

    def __init__(self, url: StoreUrl, connection: Connection | None = None) -> None:
        self.url = url
        self._connection = connection or Connection(url.scheme)

    @property
    def key(self) -> str:
        """A name for a folder that is this repository's alone."""
        return self.url.key

    def list(self, below: str = "") -> list[StoreObject]:
        """All objects below the repository, or those whose keys start with `below`/.

        Raises RepositoryError, also where they are more than MAX_KEYS.
        """
        with self._connection.asking() as fs:
            root = str(fs._strip_protocol(str(self.url))).rstrip("/")
            path = f"{root}/{below}" if below else root
            found = list_objects(fs, path)
        objects = []
        for info in found:
            name = str(info["name"])
            if info.get("type") != "directory" and name.startswith(path + "/"):
                objects.append(_object(name[len(root) + 1 :], info))
        return objects

    def read(self, key: str, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end` of an object; raises RepositoryError."""
        if start >= end:
            return b""
        with self._connection.asking() as fs:
            root = str(fs._strip_protocol(str(self.url))).rstrip("/")
            # On a hub: just this range, and the size is not asked for.
            exactly = {"cache_type": "none", "size": end} if "hf" in fs.protocol else {}
            data = _call(
                fs, "cat_file", READ_SECONDS, f"{root}/{key}", start=start, end=end, **exactly
            )
        return cast(bytes, data)


class OneModel:
    """A store whose prefix is the folder of one model, as a repository with just that model."""

    def __init__(self, store: Store, name: str) -> None:
        self.url = store.url
        self._store = store
        self._name = name

    @property
    def key(self) -> str:
        """A name for a folder that is this model's alone: several may have one base path."""
        return f"{self.url.key}-{self._name}"

    def list(self, below: str = "") -> list[StoreObject]:
        """See Store.list; `below` begins with the model's name."""
        found = self._store.list(below.removeprefix(self._name).removeprefix("/"))
        return [replace(item, key=f"{self._name}/{item.key}") for item in found]

    def read(self, key: str, start: int, end: int) -> bytes:
        """See Store.read."""
        return self._store.read(key.removeprefix(f"{self._name}/"), start, end)


def _call(
    fs: AbstractFileSystem, name: str, seconds: float, path: str, **options: object
) -> object:
    if not fs.async_impl:
        return getattr(fs, name)(path, **options)
    from fsspec.asyn import sync

    return sync(fs.loop, getattr(fs, f"_{name}"), path, timeout=seconds, **options)


def _object(key: str, info: Info) -> StoreObject:
    size = info.get("size")
    modified = next((_seconds(info[name]) for name in _TIMES if info.get(name)), 0.0)
    tag = next((str(info[name]) for name in _TAGS if info.get(name)), repr(modified))
    return StoreObject(key, size if isinstance(size, int) else 0, modified, tag)


def _seconds(value: object) -> float:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, (int, float)) else 0.0
