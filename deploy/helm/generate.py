"""Writes what in the chart comes from other files: the README's table, rules and dashboards.

python -m deploy.helm.generate            write
python -m deploy.helm.generate --check    say what is stale; exit code 1 if anything is
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

DEPLOY = Path(__file__).parents[1]
CHART = DEPLOY / "helm/underway"
START, END = "<!-- values -->", "<!-- end of values -->"
_LINE = re.compile(r"^(?P<indent> *)(?:# (?P<comment>.*)|(?P<key>[A-Za-z]\w*):.*)$")


@dataclass(frozen=True, slots=True)
class Value:
    """One documented value: its path as `a.b`, its default, and what is said of it."""

    path: str
    default: object
    text: str


def documented(text: str) -> Iterator[Value]:
    """The values of a values.yaml that have a comment `# -- ...`, in their order."""
    defaults: Mapping[str, object] = yaml.safe_load(text)
    above: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            comment = []
        elif (words := found["comment"]) is not None:
            comment = [words[3:]] if words.startswith("-- ") else [*comment, words]
        else:
            above = [*above[: len(found["indent"]) // 2], found["key"]]
            if comment:
                yield Value(".".join(above), _at(defaults, above), " ".join(comment))
            comment = []


def table(text: str) -> str:
    """The README's table of the values in a values.yaml."""
    rows = ["| Value | Default | Meaning |", "|---|---|---|"]
    for value in documented(text):
        shown = json.dumps(value.default).replace("|", "\\|")
        rows.append(f"| `{value.path}` | `{shown}` | {value.text} |")
    return "\n".join(rows)


def readme(before: str, values: str) -> str:
    """The README with its table anew."""
    head, _, rest = before.partition(START)
    return f"{head}{START}\n{table(values)}\n{END}{rest.partition(END)[2]}"


def outputs() -> dict[Path, str]:
    """Every file that is made, with its content."""
    made = {CHART / "README.md": readme(_read(CHART / "README.md"), _read(CHART / "values.yaml"))}
    for path in sorted(DEPLOY.glob("prometheus/*.y*ml")):
        if "groups" in (yaml.safe_load(_read(path)) or {}):
            made[CHART / "files/prometheus" / f"{path.stem}.yaml"] = _read(path)
    for path in sorted(DEPLOY.glob("grafana/**/*.json")):
        made[CHART / "files/grafana" / path.name] = _read(path)
    return made


def stale(made: dict[Path, str]) -> list[Path]:
    """What is not as it would be made, and what lies in `files` and is made from nothing."""
    changed = [path for path, text in made.items() if not path.exists() or _read(path) != text]
    lying = (path for path in sorted((CHART / "files").rglob("*")) if path.is_file())
    return changed + [path for path in lying if path not in made]


def main() -> int:
    """Write, or with --check only look."""
    made = outputs()
    if "--check" in sys.argv[1:]:
        for path in stale(made):
            print(f"{path.relative_to(DEPLOY.parent)} is stale: run `make chart`")
        return 1 if stale(made) else 0
    for path in stale(made):
        if path not in made:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path], "utf-8")
    return 0


def _at(values: Mapping[str, object], path: list[str]) -> object:
    found: object = values
    for key in path:
        found = found[key] if isinstance(found, Mapping) else None
    return found


def _read(path: Path) -> str:
    return path.read_text("utf-8")


if __name__ == "__main__":
    sys.exit(main())
