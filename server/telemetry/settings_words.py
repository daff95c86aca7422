"""What the trace and the logging extension share: settings by name, and changes asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from server.errors import InvalidArgument

Setting = str | bool | int | list[str]
"""A setting as REST writes it; gRPC has the same values in its own fields."""

Changes = Mapping[str, Setting | None]
"""Settings by name; None asks for the value that holds when nothing is asked."""


def refuse_unknown(kind: str, names: Iterable[str], known: Mapping[str, object]) -> None:
    """Raise InvalidArgument for a setting that does not exist; `kind` is `trace` or `log`."""
    for name in names:
        if name not in known:
            raise InvalidArgument(
                f"unknown {kind} setting '{name[:64]}'; expected one of {sorted(known)}"
            )
