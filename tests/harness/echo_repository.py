"""Repositories of echo models: real workers without a framework, that fail on demand."""

from __future__ import annotations

import json
from pathlib import Path

DEFAULT = [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]


def add_echo(
    root: Path, name: str, *, versions: tuple[int, ...] = (1,), **settings: object
) -> Path:
    """Write `root/name` with version folders and a model.yaml of `settings`; the model's folder."""
    folder = root / name
    for version in versions:
        (folder / str(version)).mkdir(parents=True)
    content = {"runtime": "echo", "inputs": DEFAULT, **settings}
    # JSON is YAML.
    (folder / "model.yaml").write_text(json.dumps(content))
    return folder


def ask(values: list[float], rows: int = 1) -> dict[str, object]:
    """An inference request for the default echo model."""
    data = {"name": "x", "datatype": "FP32", "shape": [rows, 2], "data": values}
    return {"inputs": [data]}


def rewrite(folder: Path, **settings: object) -> None:
    """Give a model of `add_echo` other settings, in one step as an editor would."""
    content = {"runtime": "echo", "inputs": DEFAULT, **settings}
    put(folder / "model.yaml", json.dumps(content))


def put(path: Path, text: str) -> None:
    """Write a file aside and move it into place."""
    aside = path.with_name(f".{path.name}.aside")
    aside.write_text(text)
    aside.replace(path)
