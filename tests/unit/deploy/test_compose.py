"""compose.yaml mounts what there is, builds targets that exist, and starts what our tools take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import server.cli

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/compose"
SERVICES = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text()
BUILT = (".demo",)
"""What `make demo` builds."""


def mounts() -> list[str]:
    return [
        re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
    ]


@pytest.mark.parametrize("source", mounts())
def test_everything_that_is_mounted_is_there(source):
    path = (FOLDER / source).resolve()

    assert path.exists() or path.relative_to(ROOT).parts[0] in BUILT


def test_everything_is_mounted_read_only():
    volumes = [one for service in SERVICES.values() for one in service.get("volumes", ())]

    assert [one for one in volumes if not one.endswith(":ro")] == []


@pytest.mark.parametrize("name", OURS)
def test_our_own_are_built_from_a_target_and_locked_up(name):
    service = OURS[name]

    assert f" AS {service['build']['target']}\n" in DOCKERFILE
    assert (FOLDER / service["build"]["context"]).resolve() == ROOT
    assert service["image"] == f"underway:{service['build']['target']}"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_every_port_is_this_machines_alone():
    ports = [one for service in SERVICES.values() for one in service["ports"]]

    assert [one for one in ports if not one.startswith("127.0.0.1:")] == []


def test_the_gateways_command_is_one(tmp_path, monkeypatch):
    settings = []
    monkeypatch.setattr(server.cli, "_run", settings.append)
    done = CliRunner().invoke(
        server.cli.main, SERVICES["gateway"]["command"],
        env={"UNDERWAY_MODEL_REPOSITORY": str(tmp_path)},
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    assert settings


def test_prometheus_scrapes_the_gateway_as_on_one_machine():
    ours, single = (
        yaml.safe_load(path.read_text())
        for path in (FOLDER / "prometheus.yaml", ROOT / "deploy/prometheus/prometheus.yaml")
    )
    assert ours["scrape_configs"][0].pop("static_configs") == [{"targets": ["gateway:8002"]}]
    single["scrape_configs"][0].pop("static_configs")

    assert ours == single


def test_images_of_others_have_a_version():
    others = [service["image"] for name, service in SERVICES.items() if name not in OURS]

    assert others
    assert [image for image in others if not re.search(r":v?\d+\.\d+\.\d+$", image)] == []
