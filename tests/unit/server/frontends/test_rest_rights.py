from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Mount, Route

from server.access.access import open_to_all
from server.access.rules import OPEN, Right
from server.config import ModelControl
from server.console.routes import About, console_routes
from server.frontends.admin import create_admin_app
from server.frontends.limits import FrontendLimits
from server.frontends.rest import create_app
from server.frontends.rest_rights import (
    CONTROL,
    INFER,
    METRICS,
    OPERATE,
    clients_needs,
    operators_needs,
)
from server.frontends.tf_serving_metrics import PATH as TF_SERVING_METRICS
from tests.unit.server.frontends.rest_double import Planes
from tests.unit.server.frontends.test_admin import Admin, Probes

HEALTH = {"/v2/health/live", "/v2/health/ready"}
MODEL = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")

READ = {
    "/v2", "/v2/models/stats", "/docs", "/openapi.json",
    *(place + what for place in MODEL for what in ("", "/ready", "/stats", "/config")),
}  # fmt: skip
ASKED = {"/v2/repository/index", *(f"{place}/infer" for place in MODEL)}

WORDS = {"version": "3", "label": "stable"}


def declared(routes) -> set[tuple[str, str]]:
    """Every verb and path that an application has."""
    found = set()
    for route in routes:
        if isinstance(route, Mount):
            found.add(("GET", route.path))
        elif isinstance(route, Route):
            found |= {(verb, route.path) for verb in route.methods or ()}
    return found


def spelled(path: str) -> str:
    """A path that the route `path` answers."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: WORDS.get(found[1], "x"), path)


def expected(verb: str, path: str) -> frozenset[Right]:
    """What a route of the clients' port needs: each is named, or is for those who control."""
    plain = re.sub(r":\w+\}", "}", path)
    if verb in ("GET", "HEAD") and path in HEALTH:
        return OPEN
    if path.startswith(("/v1/", "/v2/systemsharedmemory/", "/v2/cudasharedmemory/")):
        return INFER
    if path == TF_SERVING_METRICS:
        return METRICS
    known = READ if verb in ("GET", "HEAD") else ASKED
    return INFER if plain in known else CONTROL


def test_every_route_of_clients_needs_what_it_is_named_for():
    planes = Planes()
    app = create_app(planes, planes, FrontendLimits(tf_serving_metrics=True), open_to_all())
    routes = declared(app.routes)
    assert len(routes) > 40
    named = {(verb, path): expected(verb, path) for verb, path in routes}
    found = {(verb, path): clients_needs(verb, spelled(path)) for verb, path in routes}
    assert found == named
    # All below /v1/ are for those who infer: none of them changes anything.
    ways = ("", "/versions/{version:int}", "/labels/{label}")
    assert {(verb, path) for verb, path in routes if path.startswith("/v1/")} == {
        *(("POST", f"/v1/models/{{model}}{way}:{what}") for way in ways
          for what in ("predict", "classify", "regress")),
        *(("GET", f"/v1/models/{{model}}{way}{what}") for way in ways
          for what in ("", "/metadata")),
    }  # fmt: skip
    # What changes something is for few: a new route is to be thought about here.
    assert {path for (_, path), needs in found.items() if needs == CONTROL} == {
        "/v2/repository/models/{model}/load", "/v2/repository/models/{model}/unload",
        "/v2/repository/{repository}/index",
        "/v2/repository/{repository}/models/{model}/load",
        "/v2/repository/{repository}/models/{model}/unload",
        "/v2/trace/setting", "/v2/models/{model}/trace/setting", "/v2/logging",
    }  # fmt: skip


def test_the_operators_port_is_open_to_probes_only_and_metrics_have_a_right_of_their_own():
    planes = Planes()
    about = About("1", ModelControl.POLL)
    app = create_admin_app(Admin(), Probes(), console_routes(planes, planes, about))
    for verb, path in declared(app.routes):
        needs = operators_needs(verb, spelled(path))
        if path in HEALTH:
            assert needs == OPEN
        elif path == "/metrics":
            assert needs == METRICS | OPERATE
        else:
            assert needs == OPERATE


TRICKS = [
    "/v2/health/ready/", "/v2//health/ready", "//v2/health/ready", "/v2/health/ready\n",
    "/v2/health/live/../../repository/models/m/load", "/v2/health/%6cive", "/V2/health/live",
    "/v2/health/live;x", "v2/health/live", "", "/", "*", "http://h/v2/health/live",
]  # fmt: skip


@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST", "OPTIONS", "get", "PUT", "BREW", ""])
@pytest.mark.parametrize("path", TRICKS)
def test_no_other_spelling_of_a_path_is_open(verb, path):
    assert clients_needs(verb, path) == CONTROL
    assert operators_needs(verb, path) == OPERATE


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("POST", "/v2/health/ready"), ("OPTIONS", "/v2/health/live"),
        ("POST", "/v2/models/m"), ("PUT", "/v2/models/m/infer"), ("GET", "/v2/models/m/infer"),
        ("POST", "/v2/models/m/infer/"), ("POST", "/v2/models/a/b/infer"),
        ("POST", "/v2/models//infer"), ("POST", "/v2/models/m\n/infer"),
        ("POST", "/v2/models/m/versions/1/2/infer"), ("POST", "/v2/models/m/INFER"),
        ("GET", "/v2/models/m/trace/setting"), ("POST", "/v2/models/m/trace/setting"),
        ("DELETE", "/v2/repository/index"), ("POST", "/monitoring/prometheus/metrics"),
    ],
)  # fmt: skip
def test_what_is_nearly_a_route_is_for_those_who_control(verb, path):
    assert clients_needs(verb, path) == CONTROL


@given(st.text("GETPOSHAD", max_size=6), st.text("/v2healtready.%\n", max_size=24))
def test_nothing_but_the_probes_is_open(verb, path):
    opened = verb in ("GET", "HEAD") and path in HEALTH
    assert (clients_needs(verb, path) == OPEN) == opened
    assert (operators_needs(verb, path) == OPEN) == opened
