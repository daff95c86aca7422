"""The page on TensorFlow Serving's API says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from protos import tfs_api_pb2 as pb
from server.access.access import open_to_all
from server.frontends.limits import FrontendLimits
from server.frontends.rest import create_app
from server.frontends.tf_serving.servicer import TfServingServicer
from server.frontends.tf_serving.status import serving_state
from server.lifecycle.states import State
from tests.unit.server.frontends.tf_serving.serving_double import Planes

PAGE = (Path(__file__).parents[5] / "docs/tf-serving.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """The table below a heading, without its own heading."""
    section = PAGE[PAGE.index(f"## {heading}\n") :]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert lines is not None
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines.group().splitlines()[2:]
    ]


def test_the_states_are_those_that_are_told():
    table = {
        State(ours): here
        for words, here in rows("States")
        for ours in words.replace(",", "").split()
    }
    name = pb.ModelVersionStatus.State.Name
    assert table == {state: name(serving_state(state.value)) for state in State}


def test_the_routes_are_those_that_are_served():
    described = set()
    for verb, path, _ in rows("REST"):
        for which in ("", "/versions/{version}", "/labels/{label}"):
            described.add((verb.lower(), path.strip("`").replace("{which}", which)))
    document = create_app(Planes(), Planes(), FrontendLimits(), open_to_all()).openapi()
    served = {
        (verb, path)
        for path, operations in document["paths"].items()
        if path.startswith("/v1/")
        for verb in operations
    }
    assert described == served


def test_every_method_is_named():
    servicer = TfServingServicer(Planes(), Planes(), FrontendLimits())
    named = {path.rpartition("/")[2] for path in servicer.unary}
    assert [method for method in named if f"`{method}`" not in PAGE] == []
