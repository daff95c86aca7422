"""Threads are planned for what the container may use, not for what the host has."""

from __future__ import annotations

import os

import pytest

from server.cpus import (
    available_cpus,
    frontends_for,
    quota_from_cgroup_v1,
    quota_from_cgroup_v2,
    usable_cpus,
)


@pytest.mark.parametrize(
    ("cpu_max", "quota"),
    [
        ("200000 100000\n", 2.0),
        ("150000 100000", 1.5),
        ("50000 100000", 0.5),
        ("200000", 2.0),
        ("max 100000\n", None),
        ("max", None),
        ("", None),
    ],
)
def test_the_quota_of_cgroup_v2_is_read(cpu_max, quota):
    assert quota_from_cgroup_v2(cpu_max) == quota


@pytest.mark.parametrize(
    ("quota_us", "period_us", "quota"),
    [
        ("200000\n", "100000\n", 2.0),
        ("-1", "100000", None),
        ("0", "100000", None),
        ("1", "0", None),
    ],
)
def test_the_quota_of_cgroup_v1_is_read(quota_us, period_us, quota):
    assert quota_from_cgroup_v1(quota_us, period_us) == quota


@pytest.mark.parametrize(
    ("affinity", "quota", "cpus"),
    [(8, None, 8), (8, 2.0, 2), (8, 2.9, 2), (8, 0.25, 1), (2, 16.0, 2), (1, None, 1)],
)
def test_cpus_are_whole_at_least_one_and_never_more_than_the_mask(affinity, quota, cpus):
    assert usable_cpus(affinity, quota) == cpus


@pytest.fixture
def many_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(32)))


def test_cgroup_v2_is_looked_at_first(tmp_path, many_cpus):
    (tmp_path / "cpu.max").write_text("300000 100000\n")
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("500000\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")

    assert available_cpus(tmp_path) == 3


def test_cgroup_v1_is_looked_at_next(tmp_path, many_cpus):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("500000\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")

    assert available_cpus(tmp_path) == 5


@pytest.mark.parametrize("content", [None, "", "nonsense", "max 100000"])
def test_without_a_readable_quota_the_mask_counts(tmp_path, many_cpus, content):
    if content is not None:
        (tmp_path / "cpu.max").write_text(content)

    assert available_cpus(tmp_path) == 32


@pytest.mark.parametrize(
    ("cpus", "frontends"), [(1, 1), (2, 1), (3, 1), (4, 2), (6, 3), (16, 8), (128, 8)]
)
def test_half_of_the_cpus_are_for_frontends_within_bounds(cpus, frontends):
    assert frontends_for(cpus) == frontends
