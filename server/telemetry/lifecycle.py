"""Metrics of the lives of model versions."""

from __future__ import annotations

import contextlib

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PHASE_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
PHASES = {
    "LOADING": "load",
    "WARMING": "warm_up",
    "DRAINING": "drain",
    "UNLOADING": "unload",
}
"""The states whose duration is a phase of a swap."""


class LifecycleMeter:
    """Counts transitions; see lifecycle.history.TransitionMeter."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._state = Gauge(
            "underway_model_version_state", "1 for the state a model version is in.",
            ("model", "version", "state"), registry=registry,
        )  # fmt: skip
        self._phase = Histogram(
            "underway_swap_phase_seconds", "How long loading, warm-up, drain and unload took.",
            ("model", "phase"), buckets=PHASE_BUCKETS, registry=registry,
        )  # fmt: skip
        self._failures = Counter(
            "underway_load_failures", "Loads that failed, by the phase they failed in.",
            ("model", "phase"), registry=registry,
        )  # fmt: skip
        self._changed = Counter(
            "underway_versions_changed_in_place",
            "Published versions whose files changed after they were loaded.",
            ("model",), registry=registry,
        )  # fmt: skip

    def transition(
        self, model: str, version: int, source: str, target: str, seconds: float
    ) -> None:
        """Count one transition, `seconds` having been spent in `source`."""
        labels = (model, str(version))
        self._drop(*labels, source)
        if target != "ENDED":
            self._state.labels(*labels, target).set(1)
        phase = PHASES.get(source)
        if target == "FAILED":
            self._failures.labels(model, phase or "find").inc()
        elif phase is not None:
            self._phase.labels(model, phase).observe(seconds)

    def changed_in_place(self, model: str) -> None:
        """Count a version that was written over."""
        self._changed.labels(model).inc()

    def _drop(self, model: str, version: str, state: str) -> None:
        with contextlib.suppress(KeyError):  # never set: the version was NEW
            self._state.remove(model, version, state)
