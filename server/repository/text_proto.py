"""Reads protobuf's text form with one line of refusal for whatever is wrong in it."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf import text_format
from google.protobuf.message import Message

from server.repository.errors import RepositoryError

MAX_REASONS = 20


def parse_text(text: str, into: Message, file: str) -> None:
    """Fill `into` from `text`, the content of the file called `file`; raises RepositoryError."""
    try:
        text_format.Parse(text, into)
    except text_format.ParseError as error:
        line, column = error.GetLine(), error.GetColumn()
        reason = str(error).removeprefix(f"{line}:{column} : ").splitlines()[0][:200]
        raise refusal(file, [f"line {line}: {reason}" if line else reason]) from None
    except RecursionError:
        # An Any may hold another one, and so on.
        raise refusal(file, ["messages are nested too deeply"]) from None


def refusal(file: str, reasons: Sequence[str]) -> RepositoryError:
    """All reasons in one line, or the first of very many."""
    more = len(reasons) - MAX_REASONS
    listed = [*reasons[:MAX_REASONS], *([f"and {more} more"] if more > 0 else [])]
    return RepositoryError(f"{file}: {'; '.join(listed)}")
