"""The `underway compare` command: hands over to the load tests, which the gateway never imports."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import click

NEEDED = ("loadtests", "jinja2", "psutil", "requests", "scipy", "sklearn")


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    options_metavar="[OPTIONS] SPEC",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def compare(arguments: tuple[str, ...]) -> None:
    """Compare ways of serving a model, under load and on the same terms."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"comparing needs more ({', '.join(missing)}): pip install 'underway[server,loadtests]'"
        )
    # This process becomes the other one, so that Ctrl-C and the exit code are its own.
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "loadtests.compare", *arguments])  # noqa: S606
