"""Which requests are traced, as clients may read and change it by the trace extension.

The keys and their meaning are those of Triton's trace extension. All values are texts; a model has
the settings of the server but for those that were set for it alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec

from server.errors import InvalidArgument, Unsupported
from server.telemetry.settings_words import Changes, Setting, refuse_unknown

MOST = 2**31 - 1


class TraceRule(msgspec.Struct, frozen=True, array_like=True):
    """What holds for requests: traced at all, one in `rate`, and `count` of them, -1 for no end.

    Of a request that belongs to a client's trace, the client decided instead of `rate`. `given`
    changes when `count` is set, which begins the counting anew.
    """

    on: bool = False
    rate: int = 1
    count: int = -1
    given: int = 0


class TraceRules(msgspec.Struct, frozen=True, array_like=True):
    """The server's rule, and those of models that have their own."""

    default: TraceRule = TraceRule()
    models: dict[str, TraceRule] = {}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was set for one model, or for the server; None where it was not."""

    on: bool | None = None
    rate: int | None = None
    count: int | None = None
    given: int = 0

    def over(self, rule: TraceRule) -> TraceRule:
        """`rule`, and what was set in its place."""
        return TraceRule(
            rule.on if self.on is None else self.on,
            rule.rate if self.rate is None else self.rate,
            rule.count if self.count is None else self.count,
            rule.given if self.count is None else self.given,
        )


@dataclass(slots=True)
class TraceBook:
    """All trace settings; `exporting` says whether there is where traces can go."""

    exporting: bool
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _given: int = 0

    def rules(self) -> TraceRules:
        """What frontends go by."""
        return TraceRules(self._of(""), {model: self._of(model) for model in self._asked if model})

    def settings(self, model: str) -> dict[str, Setting]:
        """The settings of `model`, or of the server where it is "", as they are told."""
        rule = self._of(model)
        return {
            "trace_file": "",
            "trace_level": ["TIMESTAMPS" if rule.on else "OFF"],
            "trace_rate": str(rule.rate),
            "trace_count": str(rule.count),
            "log_frequency": "0",
            "trace_mode": "opentelemetry",
        }

    def change(self, model: str, changes: Changes) -> None:
        """Change all that is asked, or nothing: InvalidArgument or Unsupported names the setting.

        None gives a model the server's setting again, and the server that of its start.
        """
        current = self.settings(model)
        refuse_unknown("trace", changes, current)
        for name in ("trace_file", "log_frequency", "trace_mode"):
            if changes.get(name) not in (None, current[name]):
                raise Unsupported(
                    f"trace setting '{name}' cannot be changed: traces are sent to an "
                    "OpenTelemetry collector, not written to files"
                )
        asked = self._asked.get(model, _Asked())
        if "trace_level" in changes:
            asked = replace(asked, on=self._level(changes["trace_level"]))
        if "trace_rate" in changes:
            asked = replace(asked, rate=_number("trace_rate", changes["trace_rate"], 1))
        if "trace_count" in changes:
            count = _number("trace_count", changes["trace_count"], -1)
            self._given += 1
            asked = replace(asked, count=count, given=self._given)
        self._asked.pop(model, None)
        if (asked.on, asked.rate, asked.count) != (None, None, None):
            self._asked[model] = asked

    def _of(self, model: str) -> TraceRule:
        rule = self._asked.get("", _Asked()).over(TraceRule(on=self.exporting))
        return self._asked[model].over(rule) if model and model in self._asked else rule

    def _level(self, value: Setting | None) -> bool | None:
        on = None if value is None else _level(value)
        if on and not self.exporting:
            raise Unsupported(
                "trace setting 'trace_level' cannot be changed: the server sends no traces; start "
                "it with OTEL_EXPORTER_OTLP_ENDPOINT set to where they are to go"
            )
        return on


def _level(value: Setting) -> bool:
    levels = value if isinstance(value, list) else [value]
    if levels == ["TIMESTAMPS"]:
        return True
    if levels == ["OFF"]:
        return False
    if "TENSORS" in levels:
        raise Unsupported(
            "trace setting 'trace_level': TENSORS is not offered, since traces would hold clients' "
            "data; expected OFF or TIMESTAMPS"
        )
    raise InvalidArgument("trace setting 'trace_level': expected OFF or TIMESTAMPS")


def _number(name: str, value: Setting | None, least: int) -> int | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else ""
    digits = text.removeprefix("-")
    number = int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else least - 1
    if not least <= number <= MOST:
        raise InvalidArgument(
            f"trace setting '{name}': expected a whole number from {least} to {MOST} as text"
        )
    return number
