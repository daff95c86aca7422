"""Each fault of a machine is told with what to do; the machine at hand can be read."""

from __future__ import annotations

import resource

import pytest

from server.doctor import machine
from server.doctor.finding import Grade
from server.doctor.machine import MIB, check_machine, read_machine


@pytest.mark.parametrize(
    ("soft", "grade"),
    [
        (64, Grade.PROBLEM),
        (1024, Grade.WARNING),
        (4096, Grade.OK),
        (resource.RLIM_INFINITY, Grade.OK),
    ],
)
def test_open_files(soft, grade):
    found = machine.check_open_files(soft, soft)

    assert found.grade is grade
    assert ("ulimit -n" in found.advice) is (grade is not Grade.OK)


@pytest.mark.parametrize(
    ("free", "grade", "words"),
    [
        (8192 * MIB, Grade.OK, "8192 MiB"),
        (100 * MIB, Grade.WARNING, "only 100 MiB"),
        (None, Grade.WARNING, "does not tell"),
    ],
)
def test_memory(free, grade, words):
    found = machine.check_memory(free)

    assert found.grade is grade
    assert words in found.text


def test_shared_memory_goes_by_descriptors_whatever_dev_shm_is():
    assert machine.check_shared_memory("", None).grade is Grade.OK
    assert machine.check_shared_memory("", 64 * MIB).grade is Grade.OK

    refused = machine.check_shared_memory("Operation not permitted", 64 * MIB)

    assert refused.grade is Grade.WARNING
    assert "Operation not permitted" in refused.text
    assert "seccomp" in refused.advice


@pytest.mark.parametrize(("usable", "grade"), [(1, Grade.WARNING), (2, Grade.OK)])
def test_cpus_are_those_of_the_quota(usable, grade):
    found = machine.check_cpus(usable, 64)

    assert found.grade is grade
    assert f"{usable} of the host's 64" in found.text


def test_a_folder_for_temporary_files_is_needed():
    assert machine.check_scratch("").grade is Grade.OK

    refused = machine.check_scratch("Read-only file system")

    assert refused.grade is Grade.PROBLEM
    assert "TMPDIR" in refused.advice


@pytest.mark.parametrize(("user", "grade"), [(0, Grade.WARNING), (1000, Grade.OK)])
def test_models_should_not_run_as_root(user, grade):
    assert machine.check_user(user).grade is grade


def test_the_machine_at_hand_is_read_and_each_check_has_a_name_of_its_own():
    found = check_machine(read_machine())

    names = [finding.name for finding in found]
    assert len(set(names)) == len(names) == 6
    assert all(finding.advice for finding in found if finding.grade is not Grade.OK)


def test_a_folder_that_cannot_be_written_is_noticed(monkeypatch, tmp_path):
    monkeypatch.setattr(machine.tempfile, "tempdir", str(tmp_path / "absent"))

    assert read_machine().scratch == "No such file or directory"
