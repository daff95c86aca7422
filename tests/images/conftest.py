"""Models for the containers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.images.engine import DEMO, MODELS


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """The demo models of the image's runtimes, readable by everyone."""
    folder = tmp_path_factory.mktemp("image") / "models"
    for model in MODELS:
        shutil.copytree(DEMO / model, folder / model)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    for parent in folder.parents[:2]:
        parent.chmod(0o755)
    return folder
