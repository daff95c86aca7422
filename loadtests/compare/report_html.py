"""The report as one page that needs nothing else: styles, pictures and texts are within (pure)."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from loadtests.compare import figures, tables
from loadtests.compare.result import Result
from loadtests.compare.stages import ORDER
from loadtests.compare.tables import Table
from loadtests.compare.words import NOT_KNOWN, amount

HERE = Path(__file__).parent
_FIGURE = r"[+-]?[\d.,]+(e[+-]?\d+)?( ?(ms|s|%|B|kB|MB|GB|/s))?"
_RANGE = rf"( \([\d.,e+-]+{NOT_KNOWN}[\d.,e+-]+\)| \(shared\))?( ⚠)?"
NUMBER = re.compile(rf"^{_FIGURE}{_RANGE}$|^{NOT_KNOWN}?$")


def to_html(result: Result) -> str:
    """The whole page. All texts of the result are escaped by the template or the charts."""
    # autoescape for all: whatever the template's name ends with.
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["amount"] = amount
    css = Environment(loader=FileSystemLoader(HERE), autoescape=True).get_template("report.css")
    page: str = environment.get_template("report.html.j2").render(
        result=result,
        css=Markup(css.render()),  # noqa: S704 - our own file, nothing of the result in it
        names=_joined([candidate.name for candidate in result.candidates]),
        place={candidate.name: number % 12 for number, candidate in enumerate(result.candidates)},
        pictures=_pictures(result),
        stages=ORDER,
        tables={
            "latencies": tables.latencies(result),
            "costs": tables.costs(result),
            "parity": tables.parity(result),
            "terms": tables.terms(result),
            "requests": tables.requests(result),
            "changes": tables.changes(result),
        },
        numbers=number_columns,
        facts={**result.machine, **result.versions, "seed": str(result.seed)},
    )
    return page


def number_columns(table: Table) -> set[int]:
    """Those with nothing but numbers: they stand to the right."""
    return {
        column
        for column in range(1, len(table.columns))
        if table.rows and all(NUMBER.match(row[column]) for row in table.rows)
    }


def _pictures(result: Result) -> dict[str, Markup | list[Markup]]:
    def safe(svg: str) -> Markup:
        return Markup(svg)  # noqa: S704 - the charts escape what comes from outside

    rates = [figures.over_rate(result, quantile) for quantile in ("p50", "p99")]
    return {
        "rates": [safe(picture) for picture in rates if picture],
        "distribution": safe(figures.distribution(result)),
        "stages": safe(figures.stages(result)),
        "swaps": [safe(figures.swap(result, one)) for one in result.swaps if one.dots],
    }


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
