"""The trace and log settings, which clients may read and which no request changes."""

from __future__ import annotations

from collections.abc import Mapping

from server.errors import InvalidArgument, Unsupported

Setting = str | bool | int | list[str]

TRACE_SETTINGS: Mapping[str, Setting] = {
    "trace_file": "",
    "trace_level": ["OFF"],
    "trace_rate": "1000",
    "trace_count": "-1",
    "log_frequency": "0",
    "trace_mode": "triton",
}

LOG_SETTINGS: Mapping[str, Setting] = {
    "log_file": "",
    "log_info": True,
    "log_warning": True,
    "log_error": True,
    "log_verbose_level": 0,
    "log_format": "default",
}


def refuse_changes(kind: str, current: Mapping[str, Setting], asked: Mapping[str, object]) -> None:
    """Let an update pass only where it changes nothing; `kind` is `trace` or `log`.

    None as a value means "back to the default" and so changes nothing. Raises InvalidArgument for
    a setting that does not exist and Unsupported for one that would have to change.
    """
    for name, value in asked.items():
        if name not in current:
            raise InvalidArgument(
                f"unknown {kind} setting '{name}'; expected one of {sorted(current)}"
            )
        if value is not None and value != current[name]:
            raise Unsupported(
                f"{kind} setting '{name}' cannot be changed by request; it is set when the "
                "server starts"
            )
