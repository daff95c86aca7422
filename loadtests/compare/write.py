"""All reports of a comparison into one folder."""

from __future__ import annotations

from pathlib import Path

from loadtests.compare.report_csv import to_csv
from loadtests.compare.report_html import to_html
from loadtests.compare.report_markdown import to_markdown
from loadtests.compare.result import Result, to_json


def write_reports(result: Result, folder: Path) -> dict[str, Path]:
    """report.html, report.md, measurements.csv, result.json and spec.yaml; by their names."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "report.html": to_html(result),
        "report.md": to_markdown(result),
        "measurements.csv": to_csv(result),
        "result.json": to_json(result).decode() + "\n",
        "spec.yaml": result.spec,
    }
    for name, content in contents.items():
        (folder / name).write_text(content, "utf-8")
    return {name: folder / name for name in contents}
