"""The documentation says what the code does: links, flags, tables and examples are checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

import server.cli
from server.config import read_config_file
from server.frontends.grpc_carrier import STATUS as GRPC_STATUS
from server.frontends.open_inference.extensions import EXTENSIONS
from server.frontends.rest_errors import STATUS as REST_STATUS
from server.repository.model_yaml import parse_model_yaml
from server.repository.schema import schema_text
from server.telemetry.recorder import Recorders

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")),
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
MAKE = re.compile(r"(?:`|^    )make ([a-z]+)", re.MULTILINE)
CONFIGURATION = (ROOT / "docs/configuration.md").read_text("utf-8")
PROTOCOLS = (ROOT / "docs/protocols.md").read_text("utf-8")
REPOSITORY = (ROOT / "docs/model-repository.md").read_text("utf-8")


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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(document):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

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
    if not option.multiple and option.name != "config":
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


def test_the_metrics_are_those_of_the_recorder():
    registry = CollectorRegistry()
    Recorders(registry)
    families = {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in registry.collect()
    }

    table = {
        cells[0].strip("`"): cells[1] for cells in rows(PROTOCOLS, 3) if "underway_" in cells[0]
    }

    assert table == families


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
    section = REPOSITORY[: REPOSITORY.index("## TorchScript signatures")]
    blocks = indented(section, start="## model.yaml")
    return [
        part for block in blocks for part in re.split(r"^(?=\w)", block, flags=re.MULTILINE)[1:]
    ]


@pytest.mark.parametrize("example", yaml_examples(), ids=lambda text: text.split("\n")[0][:40])
def test_every_example_of_model_yaml_is_accepted(example):
    parse_model_yaml(example, "model", lambda _name: ())
