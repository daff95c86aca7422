"""Connects to object stores through fsspec, and looks for credentials again where they are refused.

Each SDK finds them on its own: environment, files, roles of the instance.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from server.repository.errors import RepositoryError
from server.repository.store_errors import explained, is_missing, is_refusal
from server.repository.store_url import EXTRAS, kind_of

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

RECONNECT_SECONDS = 30.0

_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "s3": {
        "config_kwargs": {
            "connect_timeout": 5,
            "read_timeout": 20,
            "retries": {"max_attempts": 1},
        },
    },
    "az": {"connection_timeout": 5, "read_timeout": 20},
    "hf": {"max_workers": 1},
}
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "hf": "huggingface_hub"}


class Connection:
    """To all stores of one scheme; for any thread. Made when it is first asked for."""

    def __init__(
        self, scheme: str, connect: Callable[[], AbstractFileSystem] | None = None
    ) -> None:
        self._connect = connect or (lambda: open_filesystem(scheme))
        self._connected: AbstractFileSystem | None = None
        self._since = 0.0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def asking(self) -> Iterator[AbstractFileSystem]:
        """fsspec's file system; what fails meanwhile is raised as RepositoryError."""
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
            if is_refusal(error) or is_missing(error):
                self._connect_again()
            raise explained(error) from None

    def _connect_again(self) -> None:
        """Look for credentials again, and for what some file systems know to be missing; not too
        often: that takes a second of the CPU.
        """
        with self._lock:
            if time.monotonic() - self._since > RECONNECT_SECONDS:
                self._connected = None


def open_filesystem(scheme: str) -> AbstractFileSystem:
    """fsspec's file system; raises RepositoryError where its package is not installed."""
    try:
        import fsspec

        kind = fsspec.get_filesystem_class(kind_of(scheme))
        if scheme == "hf":
            from server.repository import hub_client

            hub_client.install()
    except ImportError:
        raise RepositoryError(missing(scheme)) from None
    options = {
        "skip_instance_cache": True,
        "use_listings_cache": False,
        **_OPTIONS.get(kind_of(scheme), {}),
    }
    return cast("AbstractFileSystem", kind(**options))


def check_installed(scheme: str) -> None:
    """Raises RepositoryError where what `scheme` needs is not installed; imports nothing."""
    package = _PACKAGES[kind_of(scheme)]
    if find_spec("fsspec") is None or find_spec(package) is None:
        raise RepositoryError(missing(scheme))


def missing(scheme: str) -> str:
    """What to do where the package for `scheme` is not installed."""
    extra = EXTRAS[scheme]
    what = f"{scheme}:// needs the extra '{extra}'"
    return f"{what}; install it with pip install 'underway[{extra}]'"
