"""Reads an object store through fsspec: listings and ranges, bounded in time and number.

Its credentials are found by each SDK on its own: environment, files, roles of the instance.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from server.repository.errors import RepositoryError
from server.repository.store_keys import StoreObject
from server.repository.store_url import EXTRAS, SAME, StoreUrl

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

LIST_SECONDS = 60.0
READ_SECONDS = 60.0
"""How long one listing, and one read of a range, may take in all, retries of the SDK included."""
RECONNECT_SECONDS = 30.0
MAX_KEYS = 100_000

Info = Mapping[str, object]

_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "s3": {
        "config_kwargs": {
            "connect_timeout": 5,
            "read_timeout": 20,
            "retries": {"max_attempts": 1},
        },
    },
    "az": {"connection_timeout": 5, "read_timeout": 20},
}
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}
_REFUSED = {
    "NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "ProfileNotFound",
    "ClientAuthenticationError", "DefaultCredentialsError", "RefreshError", "PermissionError",
    "CredentialRetrievalError",
}  # fmt: skip
_TAGS = ("ETag", "etag", "md5Hash", "generation", "content_md5")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created", "timeCreated")


class Store:
    """One repository in an object store. Every method may take a while: call them in threads."""

    def __init__(
        self, url: StoreUrl, connect: Callable[[], AbstractFileSystem] | None = None
    ) -> None:
        self.url = url
        self._connect = connect or (lambda: open_filesystem(url))
        self._connected: AbstractFileSystem | None = None
        self._since = 0.0
        self._lock = threading.Lock()

    def list(self, below: str = "") -> list[StoreObject]:
        """All objects below the repository, or those whose keys start with `below`/.

        Raises RepositoryError, also where they are more than MAX_KEYS.
        """
        with self._asking() as fs:
            root = str(fs._strip_protocol(str(self.url))).rstrip("/")
            path = f"{root}/{below}" if below else root
            found = _find(fs, path)
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
        with self._asking() as fs:
            root = str(fs._strip_protocol(str(self.url))).rstrip("/")
            data = _call(fs, "cat_file", READ_SECONDS, f"{root}/{key}", start=start, end=end)
        return cast(bytes, data)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[AbstractFileSystem]:
        try:
            with self._lock:
                if self._connected is None:
                    self._connected = self._connect()
                    self._since = time.monotonic()
                fs = self._connected
            yield fs
        except RepositoryError:
            raise
        except Exception as error:
            if is_refusal(error):
                self._look_for_credentials_again()
            raise RepositoryError(reason_of(error)) from None

    def _look_for_credentials_again(self) -> None:
        """Connect anew, not too often: that takes a second of the CPU."""
        with self._lock:
            if time.monotonic() - self._since > RECONNECT_SECONDS:
                self._connected = None


def open_filesystem(url: StoreUrl) -> AbstractFileSystem:
    """fsspec's file system for `url`; raises RepositoryError where its package is not installed."""
    scheme = SAME.get(url.scheme, url.scheme)
    try:
        import fsspec

        kind = fsspec.get_filesystem_class(scheme)
    except ImportError:
        raise RepositoryError(missing(url)) from None
    options = {"skip_instance_cache": True, "use_listings_cache": False, **_OPTIONS.get(scheme, {})}
    return cast("AbstractFileSystem", kind(**options))


def check_installed(url: StoreUrl) -> None:
    """Raises RepositoryError where what `url` needs is not installed; imports nothing."""
    package = _PACKAGES[SAME.get(url.scheme, url.scheme)]
    if find_spec("fsspec") is None or find_spec(package) is None:
        raise RepositoryError(missing(url))


def missing(url: StoreUrl) -> str:
    """What to do where the package for `url` is not installed."""
    extra = EXTRAS[url.scheme]
    what = f"{url.scheme}:// needs the extra '{extra}'"
    return f"{what}; install it with pip install 'underway[{extra}]'"


def reason_of(error: BaseException) -> str:
    """Why the store did not answer, in our words: what an SDK says may hold keys and addresses."""
    chain = _chain(error)
    if is_refusal(error):
        return (
            "the store refuses the credentials, or there are none; see docs/object-stores.md "
            f"for where they come from ({type(error).__name__})"
        )
    if isinstance(error, FileNotFoundError) or 404 in {_status(item) for item in chain}:
        return "the store has no such bucket or object"
    if any(isinstance(item, TimeoutError) for item in chain):
        return f"the store did not answer in time ({type(error).__name__})"
    return f"the store cannot be reached or does not answer properly ({type(error).__name__})"


def is_refusal(error: BaseException) -> bool:
    """Whether the store does not know or not allow who asks, or nobody is named."""
    return any(
        type(item).__name__ in _REFUSED or _status(item) in (401, 403) for item in _chain(error)
    )


def _chain(error: BaseException) -> list[BaseException]:
    """An error and those behind it."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and len(chain) < 8:
        chain.append(following)
        following = following.__cause__ or following.__context__
    return chain


def _status(error: BaseException) -> int | None:
    for name in ("status_code", "status", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int):
            return value
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        meta = response.get("ResponseMetadata")
        value = meta.get("HTTPStatusCode") if isinstance(meta, dict) else None
        return value if isinstance(value, int) else None
    return None


def _find(fs: AbstractFileSystem, path: str) -> list[Info]:
    if "s3" in fs.protocol:
        found = _list_s3(fs, path)
    else:
        listed = _call(fs, "find", LIST_SECONDS, path, detail=True)
        found = list(listed.values()) if isinstance(listed, dict) else []
    if len(found) > MAX_KEYS:
        raise RepositoryError(f"the store holds more than {MAX_KEYS} objects there")
    return found


def _list_s3(fs: AbstractFileSystem, path: str) -> list[Info]:
    """S3 pages are counted as they come: its listing of millions of keys never is in memory."""
    from fsspec.asyn import sync

    async def pages() -> list[Info]:
        bucket, _, prefix = path.partition("/")
        found: list[Info] = []
        async for info in fs._iterdir(bucket, delimiter="", prefix=f"{prefix}/" if prefix else ""):
            found.append(info)
            if len(found) > MAX_KEYS:
                break
        return found

    return cast("list[Info]", sync(fs.loop, pages, timeout=LIST_SECONDS))


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
