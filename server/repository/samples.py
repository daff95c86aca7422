"""Finds a model's files of sample requests: for warming up, and with known answers."""

from __future__ import annotations

from pathlib import Path

from server.repository.files import confined, list_folder

WARMUP_FOLDER = "warmup"
GOLDEN_FOLDER = "golden"
MAX_SAMPLES = 64

_SUFFIXES = {WARMUP_FOLDER: (".npz", ".json"), GOLDEN_FOLDER: (".npz",)}


def sample_files(root: Path, model_folder: Path, kind: str) -> tuple[tuple[str, ...], list[str]]:
    """The absolute paths of the model's samples in the folder `kind`, ascending by name.

    `kind` is WARMUP_FOLDER or GOLDEN_FOLDER. The second value says what was passed over. Raises
    RepositoryError where the folder cannot be read or a sample leads outside.
    """
    folder = model_folder / kind
    if not confined(root, folder).is_dir():
        return (), [f"{kind}: not a folder"]
    found: list[str] = []
    for entry in list_folder(root, folder):
        path = folder / entry.name
        if path.suffix.lower() not in _SUFFIXES[kind] or entry.name.startswith("."):
            continue
        if confined(root, path).is_file():
            found.append(str(path))
    if len(found) > MAX_SAMPLES:
        return tuple(found[:MAX_SAMPLES]), [
            f"{kind}: only the first {MAX_SAMPLES} samples are used"
        ]
    return tuple(found), []
