"""The bill of materials has every package that is pinned for the environments of its image."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.images.engine import ALONE, IMAGE, TARGET, engine, takes
from tests.unit.deploy.test_requirements import FOLDER, pins

pytestmark = takes("sbom", "sbom-gpu")


def pinned_for(environment: str) -> dict[str, str]:
    """Versions by package: the runtimes of the GPU image have files of their own."""
    on_gpu = TARGET == "sbom-gpu" and environment in ALONE
    return pins(FOLDER / f"{environment}{'-gpu' if on_gpu else ''}.txt")


@pytest.fixture(scope="module")
def bills(tmp_path_factory) -> dict[str, Any]:
    """The files by the environment that they are of."""
    archive: Path = tmp_path_factory.mktemp("sbom") / "files.tar"
    container = engine("create", IMAGE, "nothing").strip()
    try:
        engine("export", "--output", str(archive), container)
    finally:
        engine("rm", container)
    with tarfile.open(archive) as files:
        named = {name.split(".")[0]: name for name in files.getnames() if name.endswith(".json")}
        return {one: json.load(files.extractfile(name)) for one, name in named.items()}


def test_there_is_one_for_each_environment_in_the_form_that_scanners_read(bills):
    assert bills.keys() == {"gateway", *ALONE}
    assert {bill["bomFormat"] for bill in bills.values()} == {"CycloneDX"}


@pytest.mark.parametrize("environment", ["gateway", *ALONE])
def test_it_has_what_was_pinned_and_most_licences(bills, environment):
    found = {item["name"].lower().replace("_", "-").replace(".", "-"): item
             for item in bills[environment]["components"]}  # fmt: skip
    pinned = pinned_for(environment)

    assert {name: found[name]["version"] for name in pinned if name in found} == pinned
    assert (
        sum("licenses" in item for item in found.values()) > len(found) * 0.75
    )  # not all declare one
