"""Which CPUs what is started runs on: a generator should not take those of what it measures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

Cpus = Sequence[int]

LEAST = 6
"""CPUs that two frontends, a worker, the gateway and a generator need to themselves."""

GENERATOR = 2
"""CPUs of those for the generator."""


@contextmanager
def pinned(cpus: Cpus) -> Iterator[None]:
    """What is started within runs on `cpus` only; on any where empty."""
    if not cpus:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def divided(cpus: Cpus) -> tuple[Cpus, Cpus]:
    """Those for a server and those for the generator; both empty, which is any, where too few."""
    if len(cpus) < LEAST:
        return (), ()
    return cpus[:-GENERATOR], cpus[-GENERATOR:]
