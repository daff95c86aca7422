"""Every report says the same, needs nothing else, and lets no name become markup."""

from __future__ import annotations

import csv
import io
import struct
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboardX.proto.event_pb2 import Event

from loadtests.compare import figures
from loadtests.compare.report_csv import to_csv
from loadtests.compare.report_html import number_columns, to_html
from loadtests.compare.report_markdown import to_markdown
from loadtests.compare.result import read_result, to_json
from loadtests.compare.scale import linear, logarithmic
from loadtests.compare.spec import SpecError
from loadtests.compare.tables import Table
from loadtests.compare.tensorboard import write_tensorboard
from loadtests.compare.words import NOT_KNOWN, amount, size
from loadtests.compare.write import write_reports
from tests.unit.loadtests.compare.results import gamma, result

HOSTILE = "<script>alert(1)</script>|`=x"


@pytest.fixture(scope="module")
def made():
    return result({"A": gamma(1.0), "B": gamma(2.0)})


class Page(HTMLParser):
    """Which elements a page has, and what they refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]


def test_the_page_needs_nothing_else(made):
    text = to_html(made)
    page = Page(text)

    assert page.links == []
    assert "url(" not in text
    assert "@import" not in text
    assert page.tags.count("svg") == 2 + 1 + 2  # two over the rate, one distribution, two swaps


def test_the_page_has_the_verdicts_and_what_it_takes_to_repeat_it(made):
    text = to_html(made)

    assert "clearly ahead of B" in text
    assert "underway compare spec.yaml" in text
    assert "title: A title" in text
    assert "Python" in text


def test_names_from_outside_do_not_become_markup():
    made = result({HOSTILE: gamma(1.0), "B": gamma(2.0)})
    made = replace(made, title=HOSTILE, notes=[HOSTILE], spec=HOSTILE, command=HOSTILE)

    assert "script" not in Page(to_html(made)).tags
    assert "<script>" not in to_markdown(made).partition("## Repeat it")[0]
    assert (
        to_csv(replace(made, cells=[replace(made.cells[0], candidate="=cmd()")]))
        .splitlines()[1]
        .startswith("'=cmd()")
    )


def test_pictures_are_well_formed(made):
    for picture in (
        figures.over_rate(made, "p50"),
        figures.distribution(made),
        figures.swap(made, made.swaps[0]),
    ):
        assert ElementTree.fromstring(picture).tag.endswith("svg")


def test_without_measurements_there_is_a_page_that_says_so(made):
    empty = replace(made, cells=[], points=[], swaps=[], verdicts=[], interrupted=True)

    text = to_html(empty)

    assert "There is nothing to rank" in text
    assert "was broken off" in text


def test_markdown_has_a_row_per_candidate_and_rate(made):
    text = to_markdown(made)

    assert text.startswith("# A title\n")
    assert text.count("\n| A | ") == 2 + 3  # rates; costs, parity, requests
    assert "**lowest p50 at 100 requests/s**: A: " in text


def test_csv_has_every_measurement_with_blanks_for_what_is_not_known(made):
    rows = list(csv.DictReader(io.StringIO(to_csv(made))))

    assert len(rows) == len(made.cells)
    assert float(rows[0]["p50_ms"]) == made.cells[0].latency_ms["p50"]
    assert rows[0]["gpu_use"] == ""
    assert rows[0]["p99.9_ms"] == ""


def test_json_is_read_back_as_it_was(made, tmp_path):
    path = tmp_path / "result.json"
    path.write_bytes(to_json(made))

    assert to_json(read_result(path)) == to_json(made)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff"])
def test_what_is_no_result_is_refused(content, tmp_path):
    path = tmp_path / "result.json"
    path.write_bytes(content)

    with pytest.raises(SpecError, match="of a comparison"):
        read_result(path)


def test_all_reports_are_written_into_one_folder(made, tmp_path):
    written = write_reports(made, tmp_path / "new/folder")

    assert {path.name for path in (tmp_path / "new/folder").iterdir()} == set(written)
    assert written["report.html"].stat().st_size < 1_000_000


def events(file: Path) -> list[Event]:
    """The records of a TFRecord file: length, its checksum, content, its checksum."""
    content, found, at = file.read_bytes(), [], 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        found.append(Event.FromString(content[at + 12 : at + 12 + length]))
        at += 12 + length + 4
    return found


def test_tensorboard_gets_a_run_per_candidate_with_the_rate_as_step(made, tmp_path):
    write_tensorboard(made, tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"A", "B"}
    (file,) = (tmp_path / "A").glob("events*")
    p99 = {
        event.step: value.simple_value
        for event in events(file)
        for value in event.summary.value
        if value.tag == "latency_ms/p99"
    }
    wanted = made.point("A", 200.0).latency_ms["p99"].value
    assert p99[200] == pytest.approx(wanted, rel=1e-5)
    assert sorted(p99) == [100, 200]
    tags = [value.tag for file in (tmp_path / "A").rglob("events*") for event in events(file)
            for value in event.summary.value]  # fmt: skip
    assert "_hparams_/experiment" in tags


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=20))
def test_an_axis_holds_all_values_between_its_ends(values):
    for scale in (linear(values, 0, 100), logarithmic(values, 0, 100)):
        assert scale.low <= min(values) * 1.001
        assert scale.high >= max(values) * 0.999
        assert len(scale.ticks) >= 2
        assert all(0 <= scale.at(value) <= 100 for value in values)
        places = [scale.at(value) for value in sorted(values)]
        assert places == sorted(places)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (None, NOT_KNOWN), (1234567, "1,230,000"), (999, "999"), (12.345, "12.3"),
     (0.00123, "0.00123"), (1.19e-7, "1.19e-07"), (100, "100"), (5.0, "5")],
)  # fmt: skip
def test_amounts_have_three_digits(value, text):
    assert amount(value) == text


def test_sizes_have_the_unit_that_fits():
    assert [size(value) for value in (12, 154_000, 2.5e6, 3e9, None)] == [
        "12 B", "154 kB", "2.5 MB", "3 GB", NOT_KNOWN,
    ]  # fmt: skip


def test_columns_of_numbers_are_found():
    table = Table(("a", "b", "c"), [["x", f"1.5 (1{NOT_KNOWN}2) ⚠", "y"], ["z", NOT_KNOWN, "3"]])

    assert number_columns(table) == {1}
    assert np.array(table.rows).shape == (2, 3)
