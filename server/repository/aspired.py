"""Which of a model's versions should be served, by its version policy; pure."""

from __future__ import annotations

from collections.abc import Sequence

from server.repository.settings import VersionPolicy


def aspired(policy: VersionPolicy, versions: Sequence[int]) -> tuple[int, ...]:
    """The versions among `versions` that `policy` asks for, ascending.

    A specific version that is not there is left out: it is served once it appears.
    """
    present = sorted(set(versions))
    if policy.specific:
        return tuple(version for version in present if version in policy.specific)
    if policy.latest is None:
        return tuple(present)
    return tuple(present[-policy.latest :]) if policy.latest > 0 else ()
