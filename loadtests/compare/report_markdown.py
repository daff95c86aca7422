"""The report as Markdown: for a pull request, a wiki, or a terminal (pure)."""

from __future__ import annotations

from loadtests.compare import tables
from loadtests.compare.result import Result
from loadtests.compare.tables import Table
from loadtests.compare.words import amount


def to_markdown(result: Result) -> str:
    """All that the page has, but for the pictures."""
    parts = [
        f"# {_text(result.title)}",
        f"{result.when}, {result.machine.get('processor', '')}, "
        f"{result.machine.get('CPUs', '')}. {result.rounds} rounds of {amount(result.seconds)} s.",
        *(f"> {_text(note)}" for note in result.notes),
        "> Broken off: what was measured until then." if result.interrupted else "",
        "## Verdicts",
        "\n".join(f"- **{_text(one.goal)}**: {_text(one.text)}" for one in result.verdicts)
        or "Nothing to rank: fewer than two candidates passed.",
        "## Latency", _table(tables.latencies(result)),
        "In brackets 95 % confidence intervals over rounds. ⚠: in some rounds the generator itself "
        "was the limit.",
        "## Costs", _table(tables.costs(result)),
        "## The same answers?", _table(tables.parity(result)),
        "\n".join(f"- {_text(line)}" for line in result.explanations),
        "## Terms", _table(tables.terms(result)),
        "## Requests", _table(tables.requests(result)),
    ]  # fmt: skip
    if result.changes:
        parts += [f"## Against {_text(result.against)}", _table(tables.changes(result))]
    parts += ["## Repeat it", _code(result.command), _code(result.spec, "yaml"), _machine(result)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(table: Table) -> str:
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join(f"| {' | '.join(_text(cell) for cell in line)} |" for line in lines)


def _text(text: str) -> str:
    """Names come from a file or another server: they must not become markup."""
    text = " ".join(text.split())
    for mark in "\\|<>`*_[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def _code(text: str, language: str = "") -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _machine(result: Result) -> str:
    facts = {**result.machine, **result.versions, "seed": str(result.seed)}
    return "\n".join(f"- {_text(name)}: {_text(value)}" for name, value in facts.items())
