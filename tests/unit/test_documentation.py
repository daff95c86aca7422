"""The documentation says what the code does: links, flags, tables and examples are checked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from prometheus_client.core import Metric
from starlette.routing import Route

import server.cli
from runtimes.contract.codes import Code
from server.admission import AdmissionBounds
from server.config import ModelControl, read_config_file
from server.exchange import STAGES
from server.frontends.admin import create_admin_app
from server.frontends.grpc_carrier import STATUS as GRPC_STATUS
from server.frontends.open_inference.extensions import EXTENSIONS
from server.frontends.rest_errors import STATUS as REST_STATUS
from server.lifecycle.observation import Observation
from server.lifecycle.overview import (
    Durations,
    ModelView,
    Overview,
    VersionView,
    WorkerView,
)
from server.lifecycle.states import LEGAL
from server.repository.model_yaml import parse_model_yaml
from server.repository.schema import schema_text
from server.telemetry.compat import MetricsCompat
from server.telemetry.counts import OK, Report, VersionCounts
from server.telemetry.gpus import Gpu
from server.telemetry.tally import FailureTally, VersionTally
from tests.unit.server.telemetry.exchanges import exchange

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")),
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
    ]
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
MAKE = re.compile(r"(?:`|^    )make ([a-z-]+)", re.MULTILINE)
CONFIGURATION = (ROOT / "docs/configuration.md").read_text("utf-8")
PROTOCOLS = (ROOT / "docs/protocols.md").read_text("utf-8")
METRICS = (ROOT / "docs/metrics.md").read_text("utf-8")
REPOSITORY = (ROOT / "docs/model-repository.md").read_text("utf-8")
SWAPPING = (ROOT / "docs/swapping.md").read_text("utf-8")
PICTURE = (ROOT / "docs/pictures/swap.svg").read_text("utf-8")


def rows(text: str, columns: int) -> Iterator[list[str]]:
    """The rows of all tables with that many columns, headings and rules left out."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == columns and not line.startswith("|---"):
            yield cells


def indented(text: str, start: str = "") -> Iterator[str]:
    """The indented blocks after `start`, dedented."""
    found = re.findall(r"(?:^    .*\n(?:^\n(?=    ))?)+", text[text.index(start) :], re.MULTILINE)
    for block in found:
        yield re.sub(r"^    ", "", block, flags=re.MULTILINE)


# ---- all documents ------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_somewhere(document):
    targets = [
        target.partition("#")[0]
        for target in LINK.findall(document.read_text("utf-8"))
        if not target.startswith(("https://", "#"))
    ]

    assert [target for target in targets if not (document.parent / target).exists()] == []


def anchors(document: Path) -> set[str]:
    """What a link may name after `#`: the headings as GitHub spells them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_heading_finds_it(document):
    targets = [
        target.partition("#")
        for target in LINK.findall(document.read_text("utf-8"))
        if "#" in target and not target.startswith("https://")
    ]

    assert [
        f"{name}#{anchor}"
        for name, _, anchor in targets
        if anchor not in anchors(document.parent / name if name else document)
    ] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(document):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert set(MAKE.findall(document.read_text("utf-8"))) <= set(targets)


def test_the_readme_begins_with_the_two_commands():
    assert MAKE.findall((ROOT / "README.md").read_text("utf-8"))[:2] == ["demo", "test"]


@pytest.mark.parametrize(
    "document", [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name
)
def test_every_file_that_is_named_exists(document):
    named = re.findall(
        r"[`\s]((?:[a-z_]+/)*[a-z_]+\.(?:py|proto|svg|toml))\b", document.read_text()
    )
    places = ("", "server", "runtimes", "server/workers", "server/frontends", "server/lifecycle")

    assert named
    assert [
        name for name in named if not any((ROOT / place / name).exists() for place in places)
    ] == []


# ---- configuration ------------------------------------------------------------------------------


def documented_settings() -> dict[str, list[str]]:
    return {
        cells[0].strip("`"): cells for cells in rows(CONFIGURATION, 5) if cells[0].startswith("`--")
    }


def test_the_flags_of_serve_are_those_that_are_documented():
    done = CliRunner().invoke(server.cli.main, ["serve", "--help"])
    flags = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", done.output, re.MULTILINE))

    assert documented_settings().keys() == flags - {"--help"}


@pytest.mark.parametrize(
    "option", [item for item in server.cli.serve.params if isinstance(item, click.Option)]
)
def test_a_flag_is_documented_with_its_variable_its_key_and_its_default(option):
    _, variable, key, default, meaning = documented_settings()[option.opts[0]]

    assert variable == f"`{option.envvar}`"
    assert key in (f"`{option.name}`", "`runtimes`", "")
    if not option.multiple and isinstance(option.default, str | int | float):
        assert default == f"`{option.default}`"
    assert meaning.endswith(".")


def test_the_example_of_a_config_file_is_one(tmp_path):
    (text,) = [block for block in indented(CONFIGURATION) if "# underway.yaml" in block]
    path = tmp_path / "underway.yaml"
    path.write_text(text)

    assert read_config_file(path, server.cli.SERVE_SETTINGS)["host"] == "0.0.0.0"


# ---- protocols ----------------------------------------------------------------------------------


def test_the_status_codes_are_those_of_the_frontends():
    table = {
        (int(rest), grpc.split()[0])
        for _, rest, grpc in rows(PROTOCOLS, 3)
        if rest.isdecimal() and grpc
    }

    assert table == {(REST_STATUS[code], GRPC_STATUS[code].name) for code in REST_STATUS}


@pytest.mark.parametrize("extension", [name.partition("(")[0] for name in EXTENSIONS])
def test_every_extension_is_described(extension):
    section = PROTOCOLS[PROTOCOLS.index("## Extensions") : PROTOCOLS.index("## Not offered")]

    assert f"**{extension}**" in section


@pytest.fixture(scope="module")
def counted() -> list[Metric]:
    """Every family with all the labels it can have, of a server that has seen everything once."""
    observation = Observation(AdmissionBounds(8, 80, 8, 80), 4, tuple(MetricsCompat))
    recorders, tally, unknown = observation.recorders, VersionTally(), FailureTally()
    recorders.expect("m", 1, "onnx")
    refused = exchange()
    refused.rejected = "rows"
    tally.ended(exchange(), None)
    tally.ended(refused, Code.OVERLOADED)
    unknown.failure("rest", Code.NOT_FOUND)
    versions = (VersionCounts("m", 1, 0, tally.take()),)
    recorders.add(1, Report(versions, unknown.take(), {"m": (1, 2)}))
    recorders.restarted("m", 1, "hung")
    observation.meter.transition("m", 1, "LOADING", "WARMING", 1.0)
    observation.meter.transition("m", 1, "WARMING", "FAILED", 1.0, "model")
    observation.meter.changed_in_place("m")
    observation.watch_certificate(lambda: 1.0)
    return list(observation.registry.collect())


def test_the_metrics_are_those_that_are_counted(counted):
    families = {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in counted
    }

    assert {cells[0]: cells[1] for cells in metric_rows()} == families


def test_the_labels_of_metrics_are_those_that_are_described(counted):
    described = {cells[0].removesuffix("_total"): labels_in(cells[2]) for cells in metric_rows()}

    for family in counted:
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == described[family.name], family.name


def metric_rows() -> list[list[str]]:
    return [
        [cells[0].strip("`"), *cells[1:]] for cells in rows(METRICS, 4) if cells[0].startswith("`")
    ]


def labels_in(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


def test_every_stage_outcome_and_setting_of_metrics_is_described():
    stages = [cells[0].strip("`") for cells in rows(METRICS, 2) if cells[0].startswith("`")]

    assert stages[: len(STAGES)] == list(STAGES)
    assert [code for code in (OK, *Code) if f"`{code}`" not in METRICS] == []
    assert [one for one in MetricsCompat if f"`--metrics-compat {one}`" not in METRICS] == []


@pytest.mark.parametrize("kind", list(MetricsCompat))
def test_the_names_of_other_servers_are_those_that_are_described(kind):
    observation = Observation(AdmissionBounds(8, 80, 8, 80), 4, (kind,))
    text, _ = asyncio.run(observation.page_of(kind, ()))
    prefix = "nv_" if kind is MetricsCompat.TRITON else ":tensorflow:serving:"

    given = set(re.findall(r"^# TYPE (\S+)", text.decode(), re.MULTILINE))

    assert given == set(re.findall(rf"`({prefix}[\w:]+)`", METRICS))


@pytest.mark.parametrize(
    "kind", [Overview, ModelView, VersionView, WorkerView, Gpu, Durations], ids=lambda k: k.__name__
)
def test_every_field_of_the_overview_is_described(kind):
    section = METRICS[METRICS.index("## The overview") :]

    assert [one.name for one in fields(kind) if one.name not in section] == []


def test_the_routes_for_operators_are_those_there_are():
    app = create_admin_app(None, None)  # type: ignore[arg-type]
    routes = {
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or ())
        if method != "HEAD"
    }
    section = PROTOCOLS[PROTOCOLS.index("## For operators") : PROTOCOLS.index("## Metrics")]
    described = {
        (verb, path)
        for verb, paths, _ in rows(section, 3)
        for path in re.findall(r"`([^`]+)`", paths)
    }

    assert described == routes


# ---- swapping -----------------------------------------------------------------------------------

MOVES = {(source.value, target.value) for source, targets in LEGAL.items() for target in targets}


def test_the_table_of_moves_is_the_codes():
    table = [(cells[0], cells[1]) for cells in rows(SWAPPING, 3) if cells[0].isupper()]

    assert sorted(table) == sorted(MOVES)


def test_the_picture_has_every_move_and_no_other():
    drawn = [tuple(move.split()) for move in re.findall(r'data-move="([^"]+)"', PICTURE)]

    assert sorted(drawn) == sorted(MOVES)


def test_every_way_of_control_is_described():
    section = SWAPPING[SWAPPING.index("## What starts one") : SWAPPING.index("## What is promised")]

    assert {kind.value for kind in ModelControl} == {
        re.findall(r"`(\w+)`", cells[0])[0]
        for cells in rows(section, 2)
        if cells[0].startswith("`")
    }


# ---- the model repository -----------------------------------------------------------------------


def documented_fields() -> set[str]:
    return {
        name for line in re.findall(r"^### (`.*)$", REPOSITORY, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", line)
    }  # fmt: skip


def test_every_field_that_is_described_exists():
    fields = json.loads(schema_text())["properties"].keys()

    assert documented_fields()
    assert documented_fields() <= fields


def yaml_examples() -> list[str]:
    """Each top-level key of each example by itself: alternatives stand below each other."""
    section = REPOSITORY[: REPOSITORY.index("## Warm-up")]
    blocks = indented(section, start="## model.yaml")
    return [
        part for block in blocks for part in re.split(r"^(?=\w)", block, flags=re.MULTILINE)[1:]
    ]


@pytest.mark.parametrize("example", yaml_examples(), ids=lambda text: text.split("\n")[0][:40])
def test_every_example_of_model_yaml_is_accepted(example):
    parse_model_yaml(example, "model", lambda _name: ())
