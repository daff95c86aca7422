"""Asks the Helm engine, which runs in a process and an environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.harness.server_process import ROOT

CHART = ROOT / "deploy/helm/underway"
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))
PYTHON = ROOT / ".venvs/deploy/bin/python"
VERSIONS = ("1.30", "1.34")
"""The oldest Kubernetes that the chart is for, and a newer one."""

Document = dict[str, Any]


class HelmError(Exception):
    """What Helm says against the chart or its values."""


class Helm:
    """The engine in `.venvs/deploy`; see tests/deploy/engine.py."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [str(PYTHON), "-m", "tests.deploy.engine"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def render(self, values: Document, chart: Path = CHART) -> dict[str, list[Document]]:
        """The objects by template; raises HelmError."""
        return self._ask(do="render", chart=str(chart), values=values)["objects"]

    def lint(self, values: Document, chart: Path = CHART) -> list[str]:
        """Helm's complaints."""
        return self._ask(do="lint", chart=str(chart), values=values)["complaints"]

    def install(self, values: Document, chart: Path = CHART) -> tuple[list[Document], str]:
        """The objects and notes of an installation, up to where a cluster is asked."""
        answer = self._ask(do="install", chart=str(chart), values=values)
        return answer["objects"], answer["notes"]

    def problems(self, documents: list[Document], version: str = VERSIONS[0]) -> list[str]:
        """What the schemas say against the documents."""
        return self._ask(do="validate", documents=documents, version=version)["problems"]

    def query_problems(self, query: str) -> list[str]:
        """What Prometheus' grammar says against a query."""
        return self._ask(do="parse", query=query)["problems"]

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=20)

    def _ask(self, **request: Any) -> Document:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the engine ended"
        answer: Document = json.loads(line)
        if "error" in answer:
            raise HelmError(answer["error"])
        return answer


def values_of(example: Path) -> Document:
    """An example's values."""
    loaded: Document = yaml.safe_load(example.read_text("utf-8"))
    return loaded


def documents(objects: dict[str, list[Document]]) -> list[Document]:
    """All objects, the notes left out."""
    return [item for name, items in objects.items() if name != "NOTES.txt" for item in items]


def of_kind(objects: dict[str, list[Document]], kind: str) -> list[Document]:
    """The objects of that kind."""
    return [item for item in documents(objects) if item["kind"] == kind]


def only(objects: dict[str, list[Document]], kind: str) -> Document:
    """The one object of that kind."""
    (found,) = of_kind(objects, kind)
    return found
