"""Reads the token that a candidate is shown; no error repeats what is in the file."""

from __future__ import annotations

from pathlib import Path

from loadtests.compare.spec import Candidate
from loadtests.compare.underway import ServerError
from loadtests.wire.token import EXPECTED, Token
from server.access.credentials import is_token
from server.bounded_file import BoundedFileError, read_bounded

MAX_BYTES = 8192
"""Signed tokens have a few thousand; servers take headers of about as many as this."""


def read_token(candidate: Candidate, base: Path) -> Token:
    """The one in its `token_file`, which starts from `base`; none where it has no such field.

    Raises ServerError where the file can't be read or holds what can't stand behind Bearer.
    """
    if not candidate.token_file:
        return Token()
    at = f"candidate '{candidate.name}': token_file: expected a file with a token"
    try:
        content = read_bounded(base / candidate.token_file, MAX_BYTES)
    except BoundedFileError as error:
        raise ServerError(f"{at}: {error}") from None
    # What wrote it may have ended its line.
    token = content.decode("ascii", "replace").strip()
    if not is_token(token):
        reason = "holds something else" if token else "is empty"
        raise ServerError(f"{at}, of {EXPECTED}: '{candidate.token_file}' {reason}")
    return Token(token)
