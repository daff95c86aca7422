"""What is offered, found and changed in place: real folders joined with the lifecycle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from runtimes.contract.messages import Batching
from server.errors import InvalidArgument
from server.repository.artifacts import Artifact
from server.repository.listing import ModelEntry
from server.repository.publish import publish
from server.repository.settings import ModelSettings, Precision
from server.supply import devices_of, spec_of
from server.workers.worker import LoadError
from tests.unit.server.lifecycle.doubles import turn
from tests.unit.server.supply_world import World, add, root

__all__ = ["root"]  # a fixture


async def loaded(root: Path) -> World:
    """Version 1 of model a, found as a load does and READY."""
    add(root, "a", 1)
    world = World(root)
    await world.look()
    world.spec("a", 1)
    await world.load_all()
    return world


def rewrite(root: Path, model: str = "a", version: int = 1) -> None:
    (root / model / str(version) / "model.onnx").write_bytes(b"other weights")


async def test_a_version_that_changes_in_place_stays_as_loaded_with_one_warning(root):
    world = await loaded(root)
    assert await world.look() == []
    rewrite(root)

    first, again = await world.look(), await world.look()

    assert [line["log_level"] for line in first] == ["warning"]
    assert "a published version changed in place; it stays as loaded" in str(first)
    assert again == []
    assert world.changed_in_place("a") == 1
    assert world.loader.started == [("a", 1)]


async def test_a_version_that_is_being_written_over_stays_as_loaded_even_while_it_is_not_whole(
    root,
):
    world = await loaded(root)
    (root / "a/1/model.onnx.part").write_bytes(b"half")

    await world.look()

    assert world.serving("a") == (1,)
    assert world.wanted() == {"a": (1,)}


async def test_a_failed_version_that_is_put_right_in_place_is_tried_again(root):
    add(root, "a", 1)
    world = World(root)
    await world.look()
    world.spec("a", 1)
    await world.fail_all()
    await world.look()
    assert world.loader.started == [("a", 1)]

    rewrite(root)
    await world.look()

    assert world.loader.started == [("a", 1)] * 2
    assert world.changed_in_place("a") is None


async def test_a_version_that_was_gone_and_comes_back_otherwise_did_not_change_in_place(root):
    world = await loaded(root)
    shutil.rmtree(root / "a")
    await world.look()
    add(root, "a", 1)
    rewrite(root)
    await world.look()
    world.spec("a", 1)
    await world.load_all()

    assert await world.look() == []
    assert world.serving("a") == (1,)


async def test_what_was_loaded_is_forgotten_once_it_is_long_gone(root):
    world = await loaded(root)
    for number in range(2, 30):
        add(root, "a", number)
        await world.look()
        world.spec("a", number)
        await world.load_all()
        shutil.rmtree(root / "a" / str(number - 1))

    await world.look()

    assert len(world.supply._loaded) < 15


# ---- offer --------------------------------------------------------------------------------------


async def offered(root: Path, **more: object) -> World:
    add(root, "a", 1, 2)
    world = World(root)
    world.supply.note(world.supply.scan())
    world.supply.offer("a", world.manager, "api", **more)
    await turn()
    return world


async def test_an_offered_model_is_wanted_for_the_cause_that_is_given(root):
    world = await offered(root)

    assert world.wanted() == {"a": (2,)}
    assert world.history.entries("a")[0].cause == "api"


async def test_a_model_that_no_repository_holds_cannot_be_offered(root):
    world = await offered(root)

    with pytest.raises(InvalidArgument, match="'b': no model repository holds it"):
        world.supply.offer("b", world.manager, "api")


async def test_a_configuration_takes_the_place_of_the_models_own(root):
    config = {"version_policy": {"specific": {"versions": [1]}}, "max_batch_size": 3}

    world = await offered(root, config=json.dumps(config))

    assert world.wanted() == {"a": (1,)}
    assert world.manager.models["a"].settings.max_batch_size == 3


async def test_a_wrong_configuration_changes_nothing(root):
    world = await offered(root)

    with pytest.raises(InvalidArgument, match=r"^parameter 'config': ") as refused:
        world.supply.offer("a", world.manager, "api", '{"max_batch": 3}')

    assert str(root) not in str(refused.value)
    assert world.wanted() == {"a": (2,)}


async def test_offering_a_model_whose_settings_are_wrong_says_why(root):
    add(root, "a", 1, yaml="swop: surge")
    world = World(root)
    world.supply.note(world.supply.scan())

    world.supply.offer("a", world.manager, "api")

    assert world.errors() == {"a": "model.yaml: swop: unknown, did you mean swap?"}


async def test_offering_a_failed_model_again_tries_it_again(root):
    world = await offered(root)
    await world.fail_all()

    world.supply.offer("a", world.manager, "api")
    await turn()

    assert world.loader.started == [("a", 2)] * 2


async def test_offering_a_model_again_takes_a_rollback_back(root):
    world = await offered(root)
    await world.load_all()
    world.manager.roll_back("a", "operator")
    await turn()
    await world.load_all()
    assert world.serving("a") == (1,)

    world.supply.offer("a", world.manager, "api")
    await turn()
    await world.load_all()

    assert world.serving("a") == (2,)


# ---- find ---------------------------------------------------------------------------------------


async def test_a_version_is_found_with_all_that_a_worker_needs(root):
    add(root, "a", 3)
    for name in ("warmup/one.npz", "warmup/two.json", "golden/one.npz"):
        (root / "a" / name).parent.mkdir(exist_ok=True)
        (root / "a" / name).touch()
    world = World(root)
    await world.look()

    supplied = world.supply.find(ModelSettings("a", workers=2, devices=("cpu",)), 3)

    spec, folder = supplied.spec, root.resolve() / "a"
    assert (spec.model, spec.version, spec.runtime, spec.threads) == ("a", 3, "onnx", 2)
    assert spec.artifact == str(folder / "3/model.onnx")
    assert spec.warmup_files == (str(folder / "warmup/one.npz"), str(folder / "warmup/two.json"))
    assert spec.golden_files == (str(folder / "golden/one.npz"),)
    assert supplied.devices == ("cpu", "cpu")
    assert supplied.artifact_bytes == len(b"weights")


async def test_the_settings_of_the_load_count_and_not_those_that_lie_there_now(root):
    add(root, "a", 1, artifact="net.onnx", yaml="artifact: net.onnx")
    world = World(root)
    await world.look()
    add(root, "a", yaml="artifact: other.onnx")
    await world.look()

    found = world.spec("a", 1, default_artifact="net.onnx")

    assert found.artifact.endswith("a/1/net.onnx")


async def test_what_holds_no_artifact_is_not_found(root):
    add(root, "a", 1, artifact="weights.bin")
    world = World(root)
    await world.look()

    with pytest.raises(LoadError, match=r"^a/1 holds no artifact; looked for model\.onnx"):
        world.spec("a", 1)


async def test_a_model_that_is_gone_is_not_found(root):
    with pytest.raises(LoadError, match="no longer in a model repository"):
        World(root).spec("a", 1)


async def test_what_is_not_what_was_published_is_not_found(root, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"weights")
    publish(tmp_path / "net.onnx", root / "a")
    (root / "a/1/model.onnx").write_bytes(b"wEights")
    world = World(root)
    await world.look()

    with pytest.raises(LoadError, match=r"does not have the SHA-256 of manifest\.json"):
        world.spec("a", 1)


# ---- a worker's orders --------------------------------------------------------------------------

ENTRY = ModelEntry("a", Path("/models"), ModelSettings("a"))


@pytest.mark.parametrize(
    ("cpus", "workers", "threads", "expected"),
    [(8, 1, None, 8), (8, 2, None, 4), (8, 3, None, 2), (2, 4, None, 1), (8, 2, 7, 7)],
)
def test_cpus_are_shared_out_among_workers_unless_threads_are_set(cpus, workers, threads, expected):
    settings = ModelSettings("a", workers=workers, threads=threads)

    assert spec_of(settings, 1, Artifact("onnx", Path("/x")), cpus, ENTRY).threads == expected


def test_a_workers_orders_carry_the_models_settings():
    settings = ModelSettings(
        "a",
        max_batch_size=8,
        batching=Batching(50),
        precision=Precision.TF32,
        options={"freeze": True},
    )

    spec = spec_of(settings, 5, Artifact("torchscript", Path("/x/model.pt")), 1, ENTRY)

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
