"""The images' requirements are pinned, hashed, and what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "requirements/docker"
FILES = sorted(FOLDER.glob("*.txt"))
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([^ ;\\]+)")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
BUILT_FROM = {
    "gateway": ["server", "tracing", "s3", "gcs", "azure", "hf"],
    "onnx": ["onnx"],
    "onnx-gpu": ["onnx-gpu"],
    "torchscript": ["torch"],
    "torchscript-gpu": ["torch"],
    "savedmodel": ["tensorflow"],
    "savedmodel-gpu": ["tensorflow"],
    "loadtests": ["server", "demo", "loadtests"],
}
FRAMEWORKS = {"torch", "tensorflow", "onnxruntime", "onnxruntime-gpu"}


def entries(path: Path) -> list[str]:
    """One text per requirement, its continued lines joined."""
    text = path.read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(path: Path) -> dict[str, str]:
    matches = [PIN.match(entry) for entry in entries(path)]
    return {match[1]: match[2] for match in matches if match}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_package_is_pinned_and_hashed(path):
    assert entries(path)
    loose = [
        entry for entry in entries(path) if not PIN.match(entry) or "--hash=sha256:" not in entry
    ]
    assert loose == []


@pytest.mark.parametrize("name", BUILT_FROM)
def test_what_is_pinned_is_what_pyproject_asks_for(name):
    """`make requirements` writes the files anew where this fails."""
    pinned = pins(FOLDER / f"{name}.txt")
    asked = [Requirement(text) for extra in BUILT_FROM[name] for text in EXTRAS[extra]]

    assert [
        str(one)
        for one in asked
        if canonicalize_name(one.name) not in pinned
        or Version(pinned[canonicalize_name(one.name)]) not in one.specifier
    ] == []


def test_the_gateways_environment_has_no_framework():
    assert pins(FOLDER / "gateway.txt").keys() & FRAMEWORKS == set()


@pytest.mark.parametrize("name", ["onnx", "torchscript", "savedmodel"])
def test_an_image_without_a_gpu_carries_no_cuda(name):
    pinned = pins(FOLDER / f"{name}.txt")

    assert [package for package in pinned if package.startswith("nvidia-")] == []


@pytest.mark.parametrize("name", ["onnx-gpu", "torchscript-gpu", "savedmodel-gpu"])
def test_every_runtime_of_the_gpu_image_brings_its_own_cuda(name):
    pinned = pins(FOLDER / f"{name}.txt")

    assert [package for package in pinned if package.startswith("nvidia-cudnn-")]


def test_pytorch_has_no_triton_since_no_image_has_the_compiler_that_it_calls():
    assert "triton" not in pins(FOLDER / "torchscript-gpu.txt")


@pytest.mark.parametrize("name", ["onnx", "torchscript", "savedmodel"])
def test_every_runtime_is_alone_with_its_framework(name):
    for file in (name, f"{name}-gpu"):
        assert len(pins(FOLDER / f"{file}.txt").keys() & FRAMEWORKS) == 1
