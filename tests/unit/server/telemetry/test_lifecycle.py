"""The metrics of the lives of model versions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry

from server.telemetry.lifecycle import LifecycleMeter

LIFE = ("NEW", "LOADING", "WARMING", "READY", "DRAINING", "UNLOADING", "ENDED")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def meter(registry) -> LifecycleMeter:
    return LifecycleMeter(registry)


def go(meter, *states, version=1, seconds=0.5):
    for source, target in pairwise(states):
        meter.transition("m", version, source, target, seconds)


def shown(registry, version="1") -> dict[str, float]:
    """Every state that is shown of a version."""
    return {
        sample.labels["state"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "underway_model_version_state" and sample.labels["version"] == version
    }


@pytest.mark.parametrize("last", range(1, len(LIFE)))
def test_a_version_is_in_one_state_and_in_none_once_it_is_gone(meter, registry, last):
    go(meter, *LIFE[: last + 1])

    assert shown(registry) == ({} if LIFE[last] == "ENDED" else {LIFE[last]: 1})


def test_a_version_that_is_there_twice_stays_ready_when_the_old_load_goes(meter, registry):
    go(meter, *LIFE[:4])
    go(meter, *LIFE[:4])
    assert shown(registry) == {"READY": 2}

    go(meter, *LIFE[3:])

    assert shown(registry) == {"READY": 1}


def test_a_retry_is_no_state_of_its_own(meter, registry):
    go(meter, "NEW", "LOADING", "FAILED")
    assert shown(registry) == {"FAILED": 1}

    go(meter, "FAILED", "NEW", "LOADING")

    assert shown(registry) == {"LOADING": 1}


def test_each_phase_of_a_swap_is_timed(meter, registry):
    go(meter, *LIFE)

    for phase in ("load", "warm_up", "drain", "unload"):
        labels = {"model": "m", "phase": phase}
        assert registry.get_sample_value("underway_swap_phase_seconds_sum", labels) == 0.5


@pytest.mark.parametrize(("state", "phase"), [("LOADING", "load"), ("WARMING", "warm_up")])
def test_a_failure_is_counted_with_the_phase_it_happened_in(meter, registry, state, phase):
    go(meter, "NEW", state)
    meter.transition("m", 1, state, "FAILED", 0.5, "memory")

    labels = {"model": "m", "phase": phase}
    of_memory = {**labels, "reason": "memory"}
    assert registry.get_sample_value("underway_load_failures_total", of_memory) == 1
    assert not registry.get_sample_value("underway_swap_phase_seconds_count", labels)


def test_failures_and_changes_are_counted_from_zero_once_a_model_is_loaded(meter, registry):
    go(meter, "NEW", "LOADING")

    value = registry.get_sample_value
    labels = {"model": "m", "phase": "load", "reason": "artifact"}
    assert value("underway_load_failures_total", labels) == 0
    assert value("underway_versions_changed_in_place_total", {"model": "m"}) == 0


def test_a_version_that_was_written_over_is_counted(meter, registry):
    meter.changed_in_place("m")

    name = "underway_versions_changed_in_place_total"
    assert registry.get_sample_value(name, {"model": "m"}) == 1
