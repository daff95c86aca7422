"""Builds the repository of bigger models, or finds it already built."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from server.demo import manifest as manifests
from server.demo import publish, requirements
from server.demo.bench import agreement
from server.demo.bench.architecture import Architecture
from server.demo.bench.scales import FORMATS, SCALES, model_name
from server.demo.errors import DemoError
from server.demo.manifest import Manifest

Say = Callable[[str], None]

MB = 1_000_000
SHOWN = 4000


def build(directory: Path, scale: str, say: Say = print) -> None:
    """Write every architecture of `scale` in three formats as a model repository.

    Says what it does, a line at a time. Raises DemoError where the directory holds something else,
    something is not installed, or the formats disagree; the directory is unchanged then.
    """
    directory = directory.expanduser().resolve()
    architectures = SCALES[scale]
    names = [model_name(each, kind) for each in architectures for kind in FORMATS]
    fingerprint = f"{scale} {manifests.builder_fingerprint(Path(__file__).parent)}"
    if _is_there(directory, fingerprint):
        say(f"The models are already in {directory}: {', '.join(names)}.")
        return
    requirements.check()
    say(f"Building {len(names)} models in {directory} (some minutes at full scale).")
    started = time.monotonic()
    if directory.exists():
        directory.rmdir()  # it is empty, and a whole folder takes its place
    with publish.staging(directory) as stage, tempfile.TemporaryDirectory() as answers:
        parity = {
            name: found.relative
            for group in _groups(architectures, scale)
            for name, found in _build(group, scale, stage, Path(answers), say).items()
        }
        facts = {"scale": scale, "parity": {"tolerance": agreement.TOLERANCE, **parity}}
        files = manifests.record_files(stage)
        publish.publish(stage, directory, Manifest(fingerprint, True, files, facts))
    say(f"Done in {time.monotonic() - started:.0f} s. Ready to serve: {', '.join(names)}.")


def _is_there(directory: Path, fingerprint: str) -> bool:
    """Whether all of it is; raises DemoError where something else is."""
    if not directory.exists():
        return False
    if not directory.is_dir():
        raise DemoError(f"{directory} is a file; a directory is needed")
    found = manifests.read(directory)
    if found and found.complete and found.fingerprint == fingerprint:
        return manifests.files_are_there(directory, found) or _refuse(directory, "is damaged")
    return any(directory.iterdir()) and _refuse(directory, "holds something else")


def _refuse(directory: Path, reason: str) -> bool:
    raise DemoError(
        f"{directory} {reason}, so nothing was written. Remove it or give another directory."
    )


def _groups(architectures: Sequence[Architecture], scale: str) -> list[Sequence[Architecture]]:
    """What one process builds: at full size one model, so that memory holds only that."""
    return [[each] for each in architectures] if scale == "full" else [architectures]


def _build(
    group: Sequence[Architecture], scale: str, stage: Path, answers: Path, say: Say
) -> dict[str, agreement.Agreement]:
    for kind in FORMATS:
        _export(kind, scale, stage, answers, [each.name for each in group])
        for each in group:
            name = model_name(each, kind)
            say(f"  {name}: {_size(stage / name) / MB:.1f} MB")
    found = {}
    for each in group:
        given = {kind: _read(answers / f"{model_name(each, kind)}.npz") for kind in FORMATS}
        found[each.name] = agreement.compare(each.name, each.output, given)
        say(
            f"  {each.name}: one set of weights, answers of the three formats differ by at most "
            f"{found[each.name].relative:.0e} of their largest number (allowed: "
            f"{agreement.TOLERANCE:.0e})."
        )
    return found


def _export(kind: str, scale: str, stage: Path, answers: Path, names: Sequence[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server.demo.bench.export", kind, scale, str(stage), str(answers),
         *names],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise DemoError(f"{', '.join(names)} as {kind} failed:\n{done.stderr[-SHOWN:].strip()}")


def _read(path: Path) -> list[np.ndarray]:
    with np.load(path) as content:
        return [content[name] for name in content.files]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
