"""Decides whether a version in an object store is whole; pure.

A store has no rename: while one uploads, a version is there in part. It is whole once just the
files of its manifest are there, or once its listing has not changed for a quiet period.
"""

from __future__ import annotations

from dataclasses import replace

from server.repository.completeness import (
    Sight,
    Verdict,
    first_seen,
    judge_manifest,
    judge_quiet,
)
from server.repository.manifest import Manifest
from server.repository.store_keys import StoredVersion


def judge(
    version: StoredVersion,
    before: Sight | None,
    manifest: Manifest | str | None,
    *,
    now: float,
    quiet_period: float,
    first_look: bool,
    may_be_empty: bool,
) -> tuple[Sight, Verdict]:
    """How the version looks now, and whether it may be loaded.

    `manifest` is its manifest, or what is wrong with it. Times of changes are trusted at the
    `first_look` alone, when nothing else is known: some stores give those of the files that were
    uploaded.
    """
    found = version.survey()
    if before is not None and before.whole and before.is_same(found):
        return before, Verdict("")
    since = first_seen(before, found, now)
    if version.refused:
        verdict = Verdict(version.refused)
    elif isinstance(manifest, str):
        verdict = Verdict(manifest)
    elif manifest is not None:
        verdict = judge_manifest(found, manifest)
    else:
        newest = found.newest if first_look else int(since * 1e9)
        verdict = judge_quiet(
            replace(found, newest=newest), now=now, since=since,
            quiet_period=quiet_period, may_be_empty=may_be_empty,
        )  # fmt: skip
    return Sight(found, since, verdict.whole), verdict
