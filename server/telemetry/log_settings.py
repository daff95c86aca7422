"""What is logged, as clients may read and change it by the logging extension.

The keys are those of Triton's logging extension; `--log-level` says what holds at the start.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from server.errors import InvalidArgument, Unsupported
from server.telemetry.settings_words import Changes, Setting, refuse_unknown

FORMATS = ("default", "ISO8601")
MOST_VERBOSE = 2**32 - 1


class LogRules(msgspec.Struct, frozen=True, array_like=True):
    """Which lines are written: of each level or not, debugging where `verbose` is above 0. With
    `iso` even a terminal is told the date.
    """

    info: bool = True
    warning: bool = True
    error: bool = True
    verbose: int = 0
    iso: bool = False

    @property
    def levels(self) -> frozenset[str]:
        """The names of the levels that are written."""
        wanted = {
            "debug": self.verbose > 0, "info": self.info, "warning": self.warning,
            "error": self.error, "critical": self.error,
        }  # fmt: skip
        return frozenset(level for level, on in wanted.items() if on)


def rules_of(level: str) -> LogRules:
    """What `--log-level` means."""
    return LogRules(
        info=level in ("debug", "info"), warning=level != "error", verbose=int(level == "debug")
    )


def log_settings(rules: LogRules) -> dict[str, Setting]:
    """As they are told."""
    return {
        "log_file": "",
        "log_info": rules.info,
        "log_warning": rules.warning,
        "log_error": rules.error,
        "log_verbose_level": rules.verbose,
        "log_format": FORMATS[rules.iso],
    }


def changed(rules: LogRules, start: LogRules, changes: Changes) -> LogRules:
    """`rules` with what is asked; None asks for what holds at the `start`.

    InvalidArgument or Unsupported names the setting that cannot be so.
    """
    refuse_unknown("log", changes, log_settings(rules))
    first = log_settings(start)
    asked = {name: first[name] if given is None else given for name, given in changes.items()}
    if asked.get("log_file", "") != "":
        raise Unsupported("log setting 'log_file' cannot be changed: the log goes to stderr")
    return LogRules(
        _flag("log_info", asked, rules.info),
        _flag("log_warning", asked, rules.warning),
        _flag("log_error", asked, rules.error),
        _verbose(asked.get("log_verbose_level", rules.verbose)),
        _form(asked.get("log_format", FORMATS[rules.iso])),
    )


def _flag(name: str, asked: Mapping[str, Setting], current: bool) -> bool:
    value = asked.get(name, current)
    if not isinstance(value, bool):
        raise InvalidArgument(f"log setting '{name}': expected true or false")
    return value


def _verbose(value: Setting) -> int:
    if type(value) is not int or not 0 <= value <= MOST_VERBOSE:
        raise InvalidArgument("log setting 'log_verbose_level': expected a whole number, 0 or more")
    return value


def _form(value: Setting) -> bool:
    if value not in FORMATS:
        raise InvalidArgument(f"log setting 'log_format': expected one of {', '.join(FORMATS)}")
    return value == FORMATS[1]
