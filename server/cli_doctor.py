"""`underway doctor`: says before the server starts what would keep it from serving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.console import Console

from server.config import ConfigError, Settings

_HELP = """Check this machine, its frameworks and GPUs, the ports and the model repositories.

Takes the settings of `serve`, from the same flags, variables and file, and says what would be
served and what would not, why, and what to do. Changes nothing. A framework takes seconds to
be imported.

Exit code: 0 if all is well, 1 with --strict if there are warnings, 2 if there are problems.
"""


def doctor_command(
    serve_params: Sequence[click.Parameter], settings_of: Callable[[dict[str, Any]], Settings]
) -> click.Command:
    """The command; `settings_of` makes settings of what `serve_params` were given."""

    def doctor(
        as_json: bool, strict: bool, verify: bool, all_runtimes: bool, **options: Any
    ) -> None:
        # Imported here, so that --help answers at once.
        from server.doctor.diagnosis import diagnose, refused
        from server.doctor.finding import exit_code
        from server.doctor.report import print_text, to_json

        with Console(stderr=True).status("looking at machine, models and frameworks ..."):
            try:
                settings = settings_of(options)
                findings = diagnose(settings, verify=verify, all_runtimes=all_runtimes)
            except ConfigError as error:
                findings = refused(error)
        if as_json:
            click.echo(to_json(findings))
        else:
            print_text(findings, Console())
        raise SystemExit(exit_code(findings, strict=strict))

    return click.Command(
        "doctor", params=[*_own_options(), *serve_params], callback=doctor, help=_HELP
    )


def _own_options() -> list[click.Parameter]:
    return [
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
        click.Option(["--strict"], is_flag=True, help="Exit with 1 if there are warnings."),
        click.Option(["--verify"], is_flag=True,
                     help="Compare every file with its manifest, which reads all of them."),
        click.Option(["--all-runtimes"], is_flag=True,
                     help="Look at every framework, not only at those that models need."),
    ]  # fmt: skip
