"""Shared memory regions, which this server does not offer: what both protocols say of them."""

from __future__ import annotations

from typing import NoReturn

from server.errors import NotFound, Unsupported


def refuse_region(kind: str, name: str) -> None:
    """Raise NotFound for a region asked by `name`; `kind` is `system` or `cuda`."""
    if name:
        raise NotFound(f"Unable to find {kind} shared memory region: '{name}'")


def refuse_registration() -> NoReturn:
    """Raise Unsupported, as every attempt to register a region ends."""
    raise Unsupported(
        "shared memory regions are not offered by this server; send tensors in the request"
    )
