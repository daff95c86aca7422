"""`underway compare`: reads a spec, shows how far it is, and writes the reports."""

from __future__ import annotations

import shlex
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from loadtests.compare import against as older
from loadtests.compare.conduct import Say, conduct
from loadtests.compare.report_markdown import to_markdown
from loadtests.compare.result import Result, read_result
from loadtests.compare.spec import Spec, SpecError, read_spec
from loadtests.compare.underway import ServerError
from loadtests.compare.write import write_reports

BROKEN_OFF = 130
"""The exit code after Ctrl-C, as a shell gives it."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("spec_path", metavar="SPEC", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=".compare",
              show_default=True, help="Folder for the reports.")  # fmt: skip
@click.option("--against", type=click.Path(path_type=Path, dir_okay=False),
              help="result.json of an older comparison: say what changed.")  # fmt: skip
@click.option("--tensorboard", type=click.Path(path_type=Path, file_okay=False),
              help="Folder for TensorBoard: scalars over the rate, and hparams.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1, 100), help="Instead of the spec's.")
@click.option("--seconds", type=click.FloatRange(0.1, 3600), help="Per measurement, instead of "
              "the spec's.")  # fmt: skip
def main(spec_path: Path, out: Path, against: Path | None, tensorboard: Path | None,
         rounds: int | None, seconds: float | None) -> None:  # fmt: skip
    """Compare ways of serving a model, as SPEC (a YAML file) says.

    Candidates are models that an Underway is started for, with the settings that are to be tried,
    or models of other servers by URL. All are asked the same golden set first; then they are
    measured in turn, round by round. Ctrl-C keeps what is measured.

    \b
    Example:
      candidates:
        - {name: plain, model: models/resnet}
        - {name: batched, model: models/resnet, settings: {batching: {}}}
      allow_differences: [batching]
    """
    errors = Console(stderr=True)
    # Told to end, it ends as after Ctrl-C: with its servers stopped, and a report.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        spec, text = read_spec(spec_path)
        old = read_result(against) if against is not None else None
        spec = _with(spec, rounds, seconds)
        result = _run(spec, text, spec_path, errors)
    except (SpecError, ServerError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        errors.print("Broken off before anything was measured.")
        raise SystemExit(BROKEN_OFF) from None
    if old is not None and against is not None:
        notes = [*result.notes, *older.strangers(old, result)]
        found = older.changes(old, result)
        result = replace(result, changes=found, against=against.name, notes=notes)
    written = write_reports(result, out)
    if tensorboard is not None:
        _to_tensorboard(result, tensorboard)
    _say(result, written["report.html"])
    raise SystemExit(BROKEN_OFF if result.interrupted else 0)


def _with(spec: Spec, rounds: int | None, seconds: float | None) -> Spec:
    return msgspec.structs.replace(
        spec, rounds=rounds or spec.rounds, seconds=seconds or spec.seconds
    )


def _run(spec: Spec, text: str, path: Path, console: Console) -> Result:
    command = " ".join(["underway compare", *map(shlex.quote, sys.argv[1:])])
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="underway-compare-") as work,
        Progress(*columns, console=console) as bar,
    ):
        return conduct(spec, text, path.parent, Path(work), command, _reporter(bar))


def _reporter(bar: Progress) -> Say:
    task = bar.add_task("", total=None)

    def say(text: str, done: int, total: int) -> None:
        bar.update(task, description=text.replace("[", r"\["), completed=done, total=total)
        if not bar.console.is_terminal:
            bar.console.print(f"{done}/{total} {text}", markup=False)

    return say


def _to_tensorboard(result: Result, folder: Path) -> None:
    try:
        from loadtests.compare.tensorboard import write_tensorboard
    except ImportError:
        raise click.ClickException(
            "--tensorboard needs tensorboardX: pip install 'underway[loadtests]'"
        ) from None
    write_tensorboard(result, folder)


def _say(result: Result, page: Path) -> None:
    verdicts = to_markdown(result).partition("## Verdicts")[2].partition("\n## ")[0].strip()
    click.echo(verdicts.replace("**", "").replace("\\", ""))
    for note in result.notes:
        click.echo(f"Note: {note}", err=True)
    click.echo(f"The report is {page}; figures and the spec are beside it.")


if __name__ == "__main__":
    main(prog_name="underway compare")
