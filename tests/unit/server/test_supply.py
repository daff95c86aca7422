"""What lies in the repositories becomes what the lifecycle manager is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes.contract.messages import Batching
from server.repository.artifacts import Artifact
from server.repository.errors import RepositoryError
from server.repository.settings import ModelSettings, Precision
from server.supply import Supply, devices_of, spec_of
from server.workers.worker import LoadError


class Manager:
    """Takes note of what it is asked for."""

    def __init__(self) -> None:
        self.aspired: dict[str, tuple[int, ...]] = {}
        self.rejected: dict[str, str] = {}

    def aspire(self, settings, versions):
        self.aspired[settings.name] = versions

    def reject(self, name, reason):
        self.rejected[name] = reason


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def add(root: Path, model: str, *versions: int, yaml: str = "", artifact: str = "model.onnx"):
    for version in versions:
        folder = root / model / str(version)
        folder.mkdir(parents=True)
        (folder / artifact).touch()
    (root / model).mkdir(exist_ok=True)
    if yaml:
        (root / model / "model.yaml").write_text(yaml)


def announced(*roots: Path) -> Manager:
    manager = Manager()
    Supply(roots, cpus=4).announce(manager)
    return manager


def test_the_newest_version_of_each_model_is_aspired(root):
    add(root, "a", 1, 2, 10)
    add(root, "b", 7)

    assert announced(root).aspired == {"a": (10,), "b": (7,)}


def test_the_version_policy_says_which_versions_are_aspired(root):
    add(root, "every", 1, 2, 3, yaml="version_policy: all")
    add(root, "two", 1, 2, 3, yaml="version_policy: {latest: 2}")
    add(root, "some", 1, 2, 3, yaml="version_policy: {specific: [1, 3, 9]}")

    assert announced(root).aspired == {"every": (1, 2, 3), "two": (2, 3), "some": (1, 3)}


def test_a_model_that_cannot_be_served_is_shown_with_the_reason_and_the_others_are_served(root):
    add(root, "good", 1)
    add(root, "misspelt", 1, yaml="max_batchsize: 8")
    add(root, "empty")
    add(root, "absent", 1, yaml="version_policy: {specific: [5]}")

    manager = announced(root)

    assert manager.aspired == {"good": (1,)}
    assert manager.rejected == {
        "misspelt": "model.yaml: max_batchsize: unknown, did you mean max_batch_size?",
        "empty": "no version folder; expected a folder named by a number, such as 1",
        "absent": "its version policy asks for none of its versions [1]",
    }


def test_the_first_of_two_repositories_wins_a_name(root, tmp_path):
    second = tmp_path / "more"
    add(root, "same", 1)
    add(second, "same", 2)
    add(second, "other", 1)

    assert announced(root, second).aspired == {"same": (1,), "other": (1,)}


def test_a_repository_that_is_gone_is_an_error_without_its_path(root):
    root.rmdir()

    with pytest.raises(RepositoryError, match=r"^model repository 1 does not exist$"):
        announced(root)


def test_a_version_is_described_with_its_artifact(root):
    add(root, "a", 3)
    supply = Supply((root,), cpus=4)
    supply.announce(Manager())

    spec, devices = supply.describe(ModelSettings("a", workers=2, devices=("cpu",)), 3)

    assert (spec.model, spec.version, spec.runtime, spec.threads) == ("a", 3, "onnx", 2)
    assert spec.artifact == str(root.resolve() / "a/3/model.onnx")
    assert devices == ("cpu", "cpu")


def test_a_version_without_an_artifact_cannot_be_described(root):
    add(root, "a", 1, artifact="weights.bin")
    supply = Supply((root,), cpus=4)
    supply.announce(Manager())

    with pytest.raises(LoadError, match=r"^a/1 holds no artifact; looked for model\.onnx"):
        supply.describe(ModelSettings("a"), 1)


@pytest.mark.parametrize(
    ("cpus", "workers", "threads", "expected"),
    [(8, 1, None, 8), (8, 2, None, 4), (8, 3, None, 2), (2, 4, None, 1), (8, 2, 7, 7)],
)
def test_cpus_are_shared_out_among_workers_unless_threads_are_set(cpus, workers, threads, expected):
    settings = ModelSettings("a", workers=workers, threads=threads)

    assert spec_of(settings, 1, Artifact("onnx", Path("/x")), cpus).threads == expected


def test_a_workers_orders_carry_the_models_settings():
    settings = ModelSettings(
        "a",
        max_batch_size=8,
        batching=Batching(50),
        precision=Precision.TF32,
        options={"freeze": True},
    )

    spec = spec_of(settings, 5, Artifact("torchscript", Path("/x/model.pt")), 1)

    assert (spec.max_batch_size, spec.batching, spec.precision) == (8, Batching(50), "tf32")
    assert (spec.runtime, spec.options) == ("torchscript", {"freeze": True})


@pytest.mark.parametrize(
    ("workers", "devices", "dealt"),
    [
        (1, ("auto",), ("auto",)),
        (2, ("cuda:0", "cuda:1"), ("cuda:0", "cuda:1")),
        (3, ("cuda:0", "cuda:1"), ("cuda:0", "cuda:1", "cuda:0")),
    ],
)
def test_devices_are_dealt_to_workers_in_turn(workers, devices, dealt):
    assert devices_of(ModelSettings("a", workers=workers, devices=devices)) == dealt
