"""Decides in one frontend which requests are traced, by the rules that the gateway tells."""

from __future__ import annotations

from server.telemetry.trace_settings import TraceRule, TraceRules


class Sampler:
    """Counts requests under each rule. `frontends` share a rule's count of traces: each has its
    part, and the first ones one more where it cannot be divided; `number` tells them apart.
    """

    def __init__(self, rules: TraceRules, frontends: int = 1, number: int = 0) -> None:
        self._rules = rules
        self._frontends = frontends
        self._number = number
        self._seen: dict[str, int] = {}
        self._left: dict[str, tuple[int, int]] = {}

    def follow(self, rules: TraceRules) -> None:
        """Go by other rules from here on; what was counted under those that stay, stays."""
        self._rules = rules
        self._seen = {name: seen for name, seen in self._seen.items() if self._has(name)}
        self._left = {name: left for name, left in self._left.items() if self._has(name)}

    def wants(self, model: str, *, parented: bool) -> bool:
        """Whether a request of `model` is to be traced; `parented` where its client decided so."""
        scope = model if model in self._rules.models else ""
        rule = self._rules.models.get(model, self._rules.default)
        if not rule.on:
            return False
        if not parented and rule.rate > 1:
            seen = self._seen.get(scope, 0)
            self._seen[scope] = (seen + 1) % rule.rate
            if seen % rule.rate:
                return False
        return rule.count < 0 or self._take(scope, rule)

    def _take(self, scope: str, rule: TraceRule) -> bool:
        given, left = self._left.get(scope, (-1, 0))
        if given != rule.given:
            left = self._share(rule.count)
        self._left[scope] = rule.given, max(0, left - 1)
        return left > 0

    def _share(self, count: int) -> int:
        share, rest = divmod(count, self._frontends)
        return share + (self._number % self._frontends < rest)

    def _has(self, scope: str) -> bool:
        return not scope or scope in self._rules.models
