"""Room for another version."""

import os

import pytest

from server.lifecycle.footprint import (
    BASE,
    MIB,
    Footprint,
    estimate,
    free_memory,
    memory_limit,
    private_memory,
    refusal,
)


@pytest.mark.parametrize(
    ("declared", "measured", "artifact", "expected"),
    [
        (7 * MIB, 9 * MIB, 100, 7 * MIB),
        (None, 9 * MIB, 100, 9 * MIB),
        (None, None, 100 * MIB, BASE + 150 * MIB),
    ],
)
def test_the_best_figure_at_hand_is_used(declared, measured, artifact, expected):
    assert estimate(declared, measured, artifact).bytes == expected


def test_a_version_that_does_not_fit_is_refused_with_numbers():
    need = Footprint(300 * MIB, "what the previous version uses")

    text = refusal(need, 2, 500 * MIB)

    assert "about 600 MiB" in text
    assert "500 MiB are free" in text
    assert "swap: replace" in text


@pytest.mark.parametrize("free", [None, 600 * MIB, 601 * MIB])
def test_a_version_that_fits_or_may_fit_is_let_in(free):
    assert refusal(Footprint(300 * MIB, "x"), 2, free) == ""


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 4096 kB\nMemAvailable:    2048 kB\nHuge: 0\n")
    return tmp_path


def test_free_memory_is_what_the_kernel_says_is_available(machine):
    assert free_memory(machine, machine) == 2048 * 1024


def test_a_containers_limit_counts_where_it_is_lower(machine):
    (machine / "memory.max").write_text("1000000\n")
    (machine / "memory.current").write_text("700000\n")
    (machine / "memory.stat").write_text("anon 1\ninactive_file 50000\n")

    assert free_memory(machine, machine) == 350_000


def test_no_limit_reads_max(machine):
    (machine / "memory.max").write_text("max\n")

    assert free_memory(machine, machine) == 2048 * 1024


def test_the_limit_is_the_machines_memory_or_the_containers_where_that_is_less(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 4096 kB\nMemAvailable: 1 kB\n")
    assert memory_limit(tmp_path, tmp_path) == 4096 * 1024

    (tmp_path / "memory.max").write_text("1000000\n")
    assert memory_limit(tmp_path, tmp_path) == 1_000_000


def test_a_machine_that_does_not_tell_is_not_guessed_at(tmp_path):
    assert free_memory(tmp_path, tmp_path) is None
    assert memory_limit(tmp_path, tmp_path) is None


def test_private_memory_of_this_process_is_told_and_of_a_gone_one_is_not(tmp_path):
    assert private_memory(os.getpid()) > MIB
    assert private_memory(1, tmp_path) is None
