"""The `underway publish` command."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from server.repository.copying import PublishError


@click.command()
@click.argument("artifact", type=click.Path(path_type=Path))
@click.argument("model", metavar="REPOSITORY/MODEL", type=click.Path(path_type=Path))
@click.option("--version", type=click.IntRange(min=1),
              help="Version to publish as; the one after the highest where left out.")  # fmt: skip
def publish(artifact: Path, model: Path, version: int | None) -> None:
    """Publish ARTIFACT as a new version of a model.

    ARTIFACT is an .onnx, .pt or .pth file, or a folder: a SavedModel, or a model with the files
    that belong to it. It is copied aside, hashed into a manifest.json and moved into place in one
    step, so that a running server loads it whole or not at all. Published versions never change.

    \b
    Example:
      underway publish digits.onnx models/digits
    """
    from server.repository.publish import publish as publish_artifact

    try:
        with _ended_by_sigterm(), _bar(artifact.name) as progress:
            published = publish_artifact(artifact, model, version, progress)
    except PublishError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"published version {published} of {model.absolute().name}")


class _Reporter:
    """Turns bytes done and in all into a bar on standard error, where that is a terminal."""

    def __init__(self, bar: Progress, text: str) -> None:
        self._bar = bar
        self._task = bar.add_task(text, total=None)

    def __call__(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)


@contextmanager
def _bar(text: str) -> Iterator[_Reporter]:
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(),
        TransferSpeedColumn(), console=console, transient=True, disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        yield _Reporter(bar, text)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, so that what is half copied is removed."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
