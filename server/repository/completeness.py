"""Decides whether a version folder is whole, so that no half-copied version is loaded; pure."""

from __future__ import annotations

from dataclasses import dataclass

from server.repository.manifest import MANIFEST_NAME, Manifest
from server.repository.names import shown
from server.repository.survey import Survey


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a version may be loaded: `reason` is why not yet, "" where it is whole.

    `due` is the time, in seconds since the epoch, at which it will be whole if nothing changes;
    None where waiting alone does not help.
    """

    reason: str
    due: float | None = None

    @property
    def whole(self) -> bool:
        """Whether the version may be loaded."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class Sight:
    """A version folder as last seen: since when it looks as it does, and whether it was whole."""

    survey: Survey
    since: float
    whole: bool

    def is_same(self, survey: Survey) -> bool:
        """Whether nothing at all has changed in the folder, not even what preserves its times."""
        return self.survey == survey


def judge_manifest(survey: Survey, manifest: Manifest) -> Verdict:
    """With a manifest a version is whole once just its files are there, each at its full size.

    Their hashes are verified before the version is loaded, because reading all of a large model
    is too much for a look that happens every few seconds.
    """
    for name, file in manifest.files.items():
        size = survey.files.get(name)
        if size is None:
            return Verdict(f"{shown(name)}, which {MANIFEST_NAME} names, is not there")
        if size != file.size:
            return Verdict(f"{shown(name)} has {size} bytes, {MANIFEST_NAME} says {file.size}")
    for name in survey.files:
        if name not in manifest.files:
            return Verdict(f"{shown(name)} is there, but {MANIFEST_NAME} does not name it")
    return Verdict("")


def judge_quiet(
    survey: Survey, *, now: float, since: float, quiet_period: float, may_be_empty: bool = False
) -> Verdict:
    """Without a manifest a version is whole once nothing in it has changed for `quiet_period` s.

    That counts from its newest ctime or from `since`, when it was first seen as it is now,
    whichever is earlier: the second one ends the wait where the file server's clock is ahead. (One
    that is behind by more than the quiet period defeats it; use manifests there.)
    """
    if survey.unfinished:
        return Verdict(f"{shown(survey.unfinished)} is still being written, by its name")
    if not survey.files and not may_be_empty:
        return Verdict("it holds no files")
    due = min(survey.newest / 1e9, since) + quiet_period
    return (
        Verdict("") if now >= due else Verdict(f"it changed less than {quiet_period:g} s ago", due)
    )


def first_seen(before: Sight | None, survey: Survey, now: float) -> float:
    """Since when the folder looks as it does in `survey`, as far as `before` tells.

    Never later than `now`, so that a clock set back does not prolong the wait.
    """
    return min(before.since, now) if before is not None and before.is_same(survey) else now
