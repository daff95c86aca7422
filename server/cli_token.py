"""`underway token`: makes a token, and its line for the access file."""

from __future__ import annotations

import secrets

import click

from server.access.file import NAME, NAME_RULE
from server.access.rules import Right, digest_of

_BYTES = 32


@click.command()
@click.argument("name")
@click.option("--may", "rights", multiple=True, default=[Right.INFER.value], show_default=True,
              type=click.Choice([right.value for right in Right]),
              help="What it is good for. May be repeated.")  # fmt: skip
def token(name: str, rights: tuple[str, ...]) -> None:
    """Make a token for NAME, who shows it as `Authorization: Bearer TOKEN`.

    The token goes to standard output and is kept nowhere. What the access file needs of it, from
    which it cannot be had back, goes to standard error.

    \b
      infer    ask models, and see what is served
      control  load, unload, replace the models, change what is traced and logged
      metrics  read metrics
      operate  everything on the operators' port, its console with it
    """
    if not NAME.fullmatch(name):
        raise click.UsageError(f"NAME: expected {NAME_RULE}")
    made = "uw_" + secrets.token_urlsafe(_BYTES)
    may = ", ".join(dict.fromkeys(rights))
    click.echo("Add this to `tokens:` in the file of --access-file:\n", err=True)
    click.echo(f'  - name: "{name}"\n    sha256: "{digest_of(made)}"\n    may: [{may}]\n', err=True)
    click.echo("The token, which is not shown again:", err=True)
    click.echo(made)
