"""What is remembered of version folders stays bounded by what lies there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from server.repository.versions import Sights


@pytest.fixture
def model(tmp_path) -> Path:
    for name in ("a/1", "a/2", "b/1"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / "a"


class Watch:
    """Looks at folders as one pass over a repository does, and tells what is remembered."""

    def __init__(self, root: Path) -> None:
        self.sights = Sights()
        self._root = root

    def look(self, *names: str, models: tuple[str, ...] = ("a", "b")) -> set[str]:
        for name in names:
            folder = self._root / name
            self.sights.look(self._root, folder, now=0, quiet_period=0, may_be_empty=True)
        self.sights.keep_only({self._root / model for model in models})
        seen = self.sights._seen
        return {str(folder.relative_to(self._root)) for folder in seen}


def test_a_version_that_is_gone_is_forgotten_though_its_model_stays(model):
    watch = Watch(model.parent)
    assert watch.look("a/1", "a/2", "b/1") == {"a/1", "a/2", "b/1"}
    shutil.rmtree(model / "1")

    assert watch.look("a/2", "b/1") == {"a/2", "b/1"}


def test_a_model_that_could_not_be_looked_at_keeps_its_versions(model):
    watch = Watch(model.parent)
    watch.look("a/1", "a/2", "b/1")

    assert watch.look("b/1") == {"a/1", "a/2", "b/1"}


def test_a_model_that_is_gone_is_forgotten_with_its_versions(model):
    watch = Watch(model.parent)
    watch.look("a/1", "b/1")

    assert watch.look("b/1", models=("b",)) == {"b/1"}
