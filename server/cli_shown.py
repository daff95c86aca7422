"""The token that commands show a server, from a file or the environment."""

from __future__ import annotations

from typing import TextIO

import click

from server.access.credentials import is_token

MAX_TOKEN = 512


def token_shown(file: TextIO | None, text: str) -> str:
    """The token in `file`, else in `text`, "" for none. UsageError, which does not repeat it, for
    what is no token.
    """
    source = "--token-file" if file is not None else "UNDERWAY_TOKEN"
    # What wrote it may have ended its line.
    token = (file.read(2 * MAX_TOKEN) if file is not None else text).strip()
    if (token or file is not None) and not (is_token(token) and len(token) <= MAX_TOKEN):
        raise click.UsageError(
            f"{source}: holds no token; expected one as `underway token` made it"
        )
    return token
