"""How much memory there is, and how much of it can still be had."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from server.lifecycle.memory_metrics import MemoryMetrics


def test_the_limit_and_what_is_left_of_it_are_told():
    registry = CollectorRegistry()
    MemoryMetrics(registry, lambda: 1000, lambda: 100)

    assert registry.get_sample_value("underway_memory_limit_bytes") == 1000
    assert registry.get_sample_value("underway_memory_available_bytes") == 100


def test_what_the_kernel_does_not_tell_is_not_there():
    registry = CollectorRegistry()
    MemoryMetrics(registry, lambda: None, lambda: None)

    assert registry.get_sample_value("underway_memory_limit_bytes") is None
