"""The one error of the model repository: something in it cannot be served as it is."""

from __future__ import annotations


class RepositoryError(Exception):
    """A repository, model or version cannot be used.

    `reason` is written for the person who published it. It names things relative to the repository,
    never by an absolute path, because it ends up in the repository index that clients read.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
