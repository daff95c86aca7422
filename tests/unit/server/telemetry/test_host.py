"""The machine's load and memory, read from a /proc of the test's making."""

from __future__ import annotations

import os

from server.telemetry.host import Host, HostReader, cpu_seconds_of

MEMINFO = "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 400 kB\nHugePages_Total: 0\n"


def test_cpu_time_is_that_since_the_last_look_and_memory_what_cannot_be_had(tmp_path):
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "stat").write_text("cpu  10 0 10 70 10 0 0 0 5 0\ncpu0 1 1 1 1\n")
    reader = HostReader(tmp_path)
    (tmp_path / "stat").write_text("cpu  40 0 10 80 20 0 0 0 9 0\ncpu0 1 1 1 1\n")

    assert reader.read() == Host(0.6, 1000 * 1024, 600 * 1024)
    assert reader.read().cpu == 0.0


def test_a_kernel_that_does_not_tell_has_no_figures(tmp_path):
    assert HostReader(tmp_path).read() == Host(None, None, None)


def test_cpu_time_of_a_process_is_its_own_and_the_kernels_whatever_its_name(tmp_path):
    (tmp_path / "7").mkdir()
    before = "7 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0"
    (tmp_path / "7/stat").write_text(f"{before} 300 50 0 0 20 0 1 0 5 6 7\n")

    assert cpu_seconds_of(7, tmp_path) == 350 / os.sysconf("SC_CLK_TCK")
    assert cpu_seconds_of(8, tmp_path) is None
