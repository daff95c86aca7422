"""Metrics of the lives of model versions."""

from __future__ import annotations

from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PHASE_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
PHASES = {
    "LOADING": "load",
    "WARMING": "warm_up",
    "DRAINING": "drain",
    "UNLOADING": "unload",
}
"""The states whose duration is a phase of a swap."""

FAILURES = {
    "load": ("artifact", "memory", "start", "timeout", "died", "model", "internal"),
    "warm_up": ("timeout", "died", "model", "internal"),
}
"""How these phases can fail; see workers.worker.LoadError."""


class LifecycleMeter:
    """Counts transitions; see lifecycle.history.TransitionMeter."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._state = Gauge(
            "underway_model_version_state",
            "Loads of a model version by their state: 1, or 2 while it takes up changed settings.",
            ("model", "version", "state"), registry=registry,
        )  # fmt: skip
        self._phase = Histogram(
            "underway_swap_phase_seconds", "How long loading, warm-up, drain and unload took.",
            ("model", "phase"), buckets=PHASE_BUCKETS, registry=registry,
        )  # fmt: skip
        self._failures = Counter(
            "underway_load_failures", "Loads that failed, by phase and kind of reason.",
            ("model", "phase", "reason"), registry=registry,
        )  # fmt: skip
        self._changed = Counter(
            "underway_versions_changed_in_place",
            "Published versions whose files changed after they were loaded.",
            ("model",), registry=registry,
        )  # fmt: skip
        self._loads: Tally[tuple[str, str, str]] = Tally()

    def transition(
        self, model: str, version: int, source: str, target: str, seconds: float, kind: str = ""
    ) -> None:
        """Count one transition, `seconds` having been spent in `source`; `kind` of a failure."""
        self._count(-1, model, str(version), source)
        self._count(1, model, str(version), target)
        if target == "LOADING":
            self._begin(model)
        phase = PHASES.get(source)
        if phase is None:
            return
        if target == "FAILED":
            self._failures.labels(model, phase, kind).inc()
        else:
            self._phase.labels(model, phase).observe(seconds)

    def changed_in_place(self, model: str) -> None:
        """Count a version that was written over."""
        self._changed.labels(model).inc()

    def _begin(self, model: str) -> None:
        """Show counts at 0 before there is one: Prometheus sees no increase in a new series."""
        self._changed.labels(model)
        for phase in PHASES.values():
            self._phase.labels(model, phase)
        for phase, kinds in FAILURES.items():
            for kind in kinds:
                self._failures.labels(model, phase, kind)

    def _count(self, step: int, model: str, version: str, state: str) -> None:
        """One load more or less in a state; what is not there any more is not shown."""
        if state in ("NEW", "ENDED"):
            return
        key = (model, version, state)
        self._loads[key] += step
        if self._loads[key]:
            self._state.labels(*key).set(self._loads[key])
        else:
            del self._loads[key]
            self._state.remove(*key)
