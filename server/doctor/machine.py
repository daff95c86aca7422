"""Whether the machine or container gives what serving needs: files, memory, CPUs, a place to work.

Each check is given what was read, so that a fault is a value.
"""

from __future__ import annotations

import os
import resource
import tempfile
from dataclasses import dataclass
from pathlib import Path

from server.cpus import available_cpus
from server.doctor.finding import Finding, Grade
from server.lifecycle.footprint import MIB, free_memory

AREA = "machine"

FEW_FILES = 256
"""Under this a server with a few models cannot even start its workers."""

ENOUGH_FILES = 4096
"""A connection takes one, and a worker a few."""

LITTLE_MEMORY = 512 * MIB
"""A gateway with one frontend and a zygote with a framework take about that."""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What was read. Sizes are bytes, None where the system does not tell.

    `memfd` is why no memory can be shared by descriptors, "" where it can. `scratch` is why nothing
    can be written to the folder for temporary files, "" where it can.
    """

    open_files: int
    open_files_hard: int
    memory_free: int | None
    memfd: str
    dev_shm: int | None
    cpus: int
    host_cpus: int
    scratch: str
    user: int


def read_machine() -> MachineFacts:
    """What this process has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MachineFacts(
        open_files=soft,
        open_files_hard=hard,
        memory_free=free_memory(),
        memfd=_try_memfd(),
        dev_shm=_size_of(Path("/dev/shm")),  # noqa: S108  # only looked at
        cpus=available_cpus(),
        host_cpus=os.cpu_count() or 1,
        scratch=_try_scratch(),
        user=os.getuid(),
    )


def check_machine(facts: MachineFacts) -> list[Finding]:
    """All checks of the machine."""
    return [
        check_open_files(facts.open_files, facts.open_files_hard),
        check_memory(facts.memory_free),
        check_shared_memory(facts.memfd, facts.dev_shm),
        check_cpus(facts.cpus, facts.host_cpus),
        check_scratch(facts.scratch),
        check_user(facts.user),
    ]


def check_open_files(soft: int, hard: int) -> Finding:
    """Files that one process may have open; RLIM_INFINITY (-1) is no limit."""
    endless = soft == resource.RLIM_INFINITY
    text = "no limit of open files" if endless else f"{soft} open files per process"
    details = {"soft": soft, "hard": hard}
    advice = (
        "every connection takes one: raise it with `ulimit -n 65536`, LimitNOFILE= in systemd or "
        "--ulimit nofile= of the container engine"
    )
    if endless or soft >= ENOUGH_FILES:
        return Finding(AREA, "open-files", Grade.OK, text, details=details)
    grade = Grade.PROBLEM if soft < FEW_FILES else Grade.WARNING
    return Finding(AREA, "open-files", grade, f"only {text}", advice, details)


def check_memory(free: int | None) -> Finding:
    """What the machine, or the container's limit, has left."""
    details = {"free_bytes": free}
    if free is None:
        text = "the system does not tell how much memory is free"
        advice = "room for a version cannot be checked before it is loaded"
        return Finding(AREA, "memory", Grade.WARNING, text, advice, details)
    text = f"{free / MIB:.0f} MiB of memory free, the container's limit included"
    if free >= LITTLE_MEMORY:
        return Finding(AREA, "memory", Grade.OK, text, details=details)
    advice = f"{LITTLE_MEMORY / MIB:.0f} MiB is about what the gateway and one framework take"
    return Finding(AREA, "memory", Grade.WARNING, f"only {text}", advice, details)


def check_shared_memory(memfd: str, dev_shm: int | None) -> Finding:
    """Large tensors go through nameless shared memory; /dev/shm is not used."""
    shm = "none" if dev_shm is None else f"{dev_shm / MIB:.0f} MiB"
    details = {"memfd": memfd or "ok", "dev_shm_bytes": dev_shm}
    if not memfd:
        text = f"shared memory by descriptors works (/dev/shm: {shm}, not needed)"
        return Finding(AREA, "shared-memory", Grade.OK, text, details=details)
    return Finding(
        AREA, "shared-memory", Grade.WARNING, f"no shared memory by descriptors: {memfd}",
        "large tensors will go through sockets, which is slower; allow memfd_create in the "
        "container's seccomp profile", details,
    )  # fmt: skip


def check_cpus(usable: int, host: int) -> Finding:
    """What the quota and the affinity mask leave of the host's."""
    text = f"{usable} of the host's {host} CPUs may be used, by quota and affinity"
    details = {"usable": usable, "host": host}
    if usable > 1:
        return Finding(AREA, "cpus", Grade.OK, text, details=details)
    advice = "gateway and workers share it; give two or more where latency counts"
    return Finding(AREA, "cpus", Grade.WARNING, text, advice, details)


def check_scratch(trouble: str) -> Finding:
    """Frontend processes meet the gateway at a socket in the folder for temporary files."""
    if not trouble:
        return Finding(AREA, "scratch", Grade.OK, "the folder for temporary files can be written")
    text = f"nothing can be written to the folder for temporary files: {trouble}"
    advice = "with a read-only root file system, mount an empty folder at /tmp or set TMPDIR"
    return Finding(AREA, "scratch", Grade.PROBLEM, text, advice)


def check_user(user: int) -> Finding:
    """Whether models would run with all rights."""
    details = {"uid": user}
    if user:
        return Finding(AREA, "user", Grade.OK, f"runs as user {user}", details=details)
    advice = "models are code: run the server as a user that owns nothing"
    return Finding(AREA, "user", Grade.WARNING, "runs as root", advice, details)


def _try_memfd() -> str:
    try:
        os.close(os.memfd_create("underway", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
    except OSError as error:
        return error.strerror or "refused"
    return ""


def _try_scratch() -> str:
    try:
        with tempfile.TemporaryDirectory(prefix="underway-"):
            return ""
    except OSError as error:
        return error.strerror or "refused"


def _size_of(folder: Path) -> int | None:
    try:
        facts = os.statvfs(folder)
    except OSError:
        return None
    return facts.f_frsize * facts.f_blocks
