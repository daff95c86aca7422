"""The console's routes: its files with their headers, and what is handed on to REST."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette

from server.config import ModelControl
from server.console.files import page_files
from server.console.routes import POLICY, About, console_routes
from tests.unit.server.frontends.rest_double import Planes

MARK = {"x-underway-console": "1"}
ASK = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}


@asynccontextmanager
async def client(planes: Planes | None = None) -> AsyncIterator[httpx.AsyncClient]:
    serving = planes or Planes()
    about = About("1.2.3", ModelControl.POLL, max_bytes=1000)
    app = Starlette(routes=console_routes(serving, serving, about))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as found:
        yield found


async def test_the_page_is_found_from_where_one_would_look():
    async with client() as console:
        moved = await console.get("/console")
        page = await console.get("/console/")

    assert moved.headers["location"] == "console/"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.startswith("<!doctype html>")


async def test_every_answer_of_the_page_forbids_what_is_not_its_own():
    async with client() as console:
        answers = [
            await console.get(path)
            for path in (
                "/console",
                "/console/",
                "/console/about",
                "/console/js/main.js",
                "/console/no",
            )
        ]

    for answer in answers:
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert [answer.status_code for answer in answers] == [307, 200, 200, 200, 404]
    assert "unsafe" not in POLICY
    assert "frame-ancestors 'none'" in POLICY


@pytest.mark.parametrize(
    "path", ["../routes.py", "%2e%2e/routes.py", "js", "js/", "js//main.js", "\u00e9"]
)
async def test_nothing_else_is_found(path):
    async with client() as console:
        assert (await console.get(f"/console/{path}")).status_code == 404


async def test_a_file_that_did_not_change_is_not_sent_again():
    async with client() as console:
        first = await console.get("/console/js/main.js")
        again = await console.get(
            "/console/js/main.js", headers={"if-none-match": first.headers["etag"]}
        )

    assert (again.status_code, again.content) == (304, b"")


async def test_the_page_is_told_what_may_be_done():
    async with client() as console:
        assert (await console.get("/console/about")).json() == {
            "release": "1.2.3", "model_control": "poll", "server_timing": True, "max_bytes": 1000,
        }  # fmt: skip


async def test_models_are_described_tried_and_loaded():
    planes = Planes()
    async with client(planes) as console:
        told = await console.get("/console/v2/models/rows/versions/3")
        answer = await console.post("/console/v2/models/rows/infer", json=ASK, headers=MARK)
        await console.post("/console/v2/repository/models/new/load", headers=MARK)

    assert told.json()["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]
    assert answer.json()["outputs"][0]["data"] == [1, 2, 3]
    assert "compute;dur=" in answer.headers["server-timing"]
    assert planes.orders == [("load", "new", {})]


@pytest.mark.parametrize("path", ["models/rows/infer", "repository/models/new/load"])
async def test_without_the_pages_header_nothing_is_computed_or_changed(path):
    planes = Planes()
    async with client(planes) as console:
        refusal = await console.post(f"/console/v2/{path}", json=ASK)

    assert refusal.status_code == 403
    assert (
        refusal.json()["error"]
        == "expected the header x-underway-console, which the console's page sends"
    )
    assert (planes.asked, planes.orders) == ([], [])


async def test_what_is_tried_is_bounded():
    async with client() as console:
        refusal = await console.post(
            "/console/v2/models/rows/infer", content=b" " * 1001, headers=MARK
        )

    assert refusal.status_code == 413


# ---- the files -----------------------------------------------------------------------------------

FILES = {name: file.content.decode() for name, file in page_files().items()}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_page_is_short_and_asks_nothing_of_elsewhere(name):
    text = FILES[name]

    assert len(text.splitlines()) < 300
    addresses = re.findall(
        r"(?:https?:)?//[a-z0-9][^\s\"']*", text.replace("://www.w3.org/2000/svg", "")
    )
    assert [one for one in addresses if not one.startswith("// ")] == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text) == []


def test_everything_that_a_file_names_is_there():
    named = {
        path
        for text in [FILES["index.html"]]
        for path in re.findall(r'(?:href|src)="([^"#]+)"', text)
        if path
    }
    for name, text in FILES.items():
        folder = name.rpartition("/")[0]
        for target in re.findall(r'from "(\.[^"]+)"', text):
            parts = f"{folder}/{target}".split("/")
            clean: list[str] = []
            for part in parts:
                clean = clean[:-1] if part == ".." else clean if part == "." else [*clean, part]
            named.add("/".join(clean))

    assert named == FILES.keys() - {"index.html"}


def test_the_page_has_nothing_inline():
    page = FILES["index.html"]

    assert re.findall(r"<script(?![^>]*src)|<style|\son\w+=|\sstyle=", page) == []
