"""Runs a container's arguments as they stand in a manifest, on a folder here and on free ports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.harness.server_process import ServerProcess

PORTS = ("--http-port", "--grpc-port", "--metrics-port")


def run(arguments: Sequence[str], mounted: str, folder: Path) -> ServerProcess:
    """`underway` with `arguments`, which begin with `serve`; `mounted` is `folder` here."""
    assert arguments[0] == "serve"
    given = [str(folder) if text == mounted else text for text in arguments[1:]]
    assert str(folder) in given
    for flag in PORTS:
        given[given.index(flag) + 1] = "0"
    return ServerProcess(*given)
