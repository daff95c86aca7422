from __future__ import annotations

import pytest

from server.access.rules import OPEN
from server.frontends.grpc_rights import method_needs
from server.frontends.health import HealthServicer
from server.frontends.limits import FrontendLimits
from server.frontends.reflection import ReflectionServicer
from server.frontends.rest_rights import CONTROL, INFER
from server.frontends.servicers import all_servicers
from tests.unit.server.frontends.rest_double import Planes

OIP = "/inference.GRPCInferenceService/"

PROBES = {
    f"{OIP}ServerLive", f"{OIP}ServerReady", "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
}  # fmt: skip
CHANGES = {
    f"{OIP}RepositoryModelLoad", f"{OIP}RepositoryModelUnload", f"{OIP}TraceSetting",
    f"{OIP}LogSettings", "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
}  # fmt: skip


def test_every_method_needs_what_it_is_named_for():
    planes = Planes()
    servicers = [
        *all_servicers(planes, planes, FrontendLimits()),
        HealthServicer(planes, []), ReflectionServicer([]),
    ]  # fmt: skip
    methods = {path for one in servicers for path in (*one.unary, *one.streams)}
    assert methods > PROBES | CHANGES
    for path in methods:
        kind = OPEN if path in PROBES else CONTROL if path in CHANGES else INFER
        assert method_needs(path) == kind, path


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "inference.GRPCInferenceService/ServerLive", f"/{OIP}ServerLive",
        f"{OIP}serverlive", f"{OIP}ServerLive/", f"{OIP}ModelInfer\n", "/a.Service/Method",
    ],
)  # fmt: skip
def test_no_other_spelling_is_let_in(path):
    assert method_needs(path) == CONTROL
