"""Logs what looks at the repositories passed over or could not read: each once, and again when it
comes back.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from server.repository.listing import RepositoryListing

log = structlog.get_logger()


class Oddities:
    """Told of every listing in its turn."""

    def __init__(self) -> None:
        self._trouble = ""
        self._said: set[str] = set()
        self._unseen: Mapping[int, str] = {}

    def say(self, listing: RepositoryListing) -> None:
        """Log what of `listing` has not been said since it began."""
        if listing.trouble and listing.trouble != self._trouble:
            log.error("model config not taken up; all models stay as they are",
                      reason=listing.trouble)  # fmt: skip
        self._trouble = listing.trouble
        self._say_unseen(listing.unseen)
        said = passed_over(listing)
        for text in sorted(said - self._said):
            log.warning("passed over", what=text)
        self._said = said

    def _say_unseen(self, unseen: Mapping[int, str]) -> None:
        for number, reason in unseen.items():
            if self._unseen.get(number) != reason:
                log.error("object store cannot be read yet; trying again, a start waits for it",
                          repository=number or "model config", reason=reason)  # fmt: skip
        for number in self._unseen.keys() - unseen.keys():
            log.info("object store can be read now", repository=number or "model config")
        self._unseen = unseen


def passed_over(listing: RepositoryListing) -> set[str]:
    """What of the repositories is not served and why, one sentence each."""
    said = {f"in a repository: {reason}" for reason in listing.ignored}
    said |= {f"in the model config: {note}" for note in listing.notes}
    for entry in (*listing.models.values(), *listing.shadowed):
        said |= {f"model {entry.name}: {reason}" for reason in entry.ignored}
        said |= {
            f"model {entry.name}, version {version}: not loaded yet, {reason}"
            for version, reason in entry.incomplete.items()
        }
    said |= {f"model {entry.name}: {entry.error}" for entry in listing.shadowed}
    return said | {
        f"repository {number}, what it served stays: {reason}"
        for number, reason in listing.unreachable.items()
        if number not in listing.unseen
    }
