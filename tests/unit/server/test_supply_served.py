"""What a model config names becomes what the lifecycle manager is asked for."""

from __future__ import annotations

import shutil

import pytest

from runtimes.contract.messages import Batching
from server.repository.batching_defaults import BatchingDefaults
from server.repository.served import ServedModel
from server.repository.served_set import ServedSet
from server.repository.settings import VersionPolicy
from server.workers.worker import LoadError
from tests.unit.server.supply_world import World, add, root

__all__ = ["root"]  # a fixture

ALL = VersionPolicy(None)


@pytest.fixture
def served() -> ServedSet:
    return ServedSet()


@pytest.fixture
async def world(served) -> World:
    return World(served=served)


async def test_models_lie_wherever_their_entry_says_and_have_the_name_it_says(world, served, root):
    add(root, "folder", 1, 2)
    add(root / "deep/er", "there", 5)
    served.replace([
        ServedModel("a", f"{root}/folder"),
        ServedModel("b", f"{root}/deep/er/there"),
        ServedModel("twin", f"{root}/folder", policy=ALL),
    ])  # fmt: skip

    await world.look()

    assert world.wanted() == {"a": (2,), "b": (5,), "twin": (1, 2)}
    await world.load_all()
    settings = world.manager.models["twin"].settings
    spec = world.supply.find(settings, 1).spec
    assert (spec.model, spec.artifact) == ("twin", f"{root}/folder/1/model.onnx")


async def test_a_model_yaml_beside_the_versions_counts(world, served, root):
    add(root, "a", 1, 2, yaml="version_policy: all\nworkers: 3")
    served.replace([ServedModel("named", f"{root}/a", labels={"stable": 1})])

    await world.look()
    await world.load_all()

    model = world.manager.models["named"]
    assert (model.settings.workers, model.wanted, model.labels) == (3, (1, 2), {"stable": 1})


async def test_a_model_yaml_that_contradicts_the_entry_is_refused_and_what_serves_stays(
    world, served, root
):
    add(root, "a", 1, 2)
    served.replace([ServedModel("a", f"{root}/a", policy=ALL)])
    await world.look()
    await world.load_all()

    add(root, "a", yaml="version_policy: {latest: 2}")
    await world.look()

    assert "the version policy" in world.errors()["a"]
    assert world.serving("a") == (1, 2)


async def test_the_platform_decides_where_a_version_has_several_artifacts(world, served, root):
    add(root, "a", 1)
    (root / "a/1/model.pt").write_bytes(b"weights")
    served.replace([ServedModel("a", f"{root}/a", "torchscript")])
    await world.look()

    assert world.supply.find(world.manager.models["a"].settings, 1).spec.runtime == "torchscript"


async def test_a_label_of_a_version_that_is_loading_holds_once_that_is_ready(world, served, root):
    add(root, "a", 1, 2)
    served.replace([ServedModel("a", f"{root}/a", policy=ALL, labels={"stable": 1, "next": 9})])
    await world.look()
    assert world.manager.models["a"].labels == {}

    await world.load_all()

    assert world.manager.models["a"].labels == {"stable": 1}


async def test_a_model_left_out_is_unloaded_and_one_added_is_loaded(world, served, root):
    add(root, "a", 1)
    add(root, "b", 1)
    served.replace([ServedModel("a", f"{root}/a")])
    await world.look()
    await world.load_all()

    served.replace([ServedModel("b", f"{root}/b")])
    await world.look()
    await world.load_all()

    assert world.wanted() == {"b": (1,)}
    assert "a" not in world.manager.models


async def test_another_base_path_is_another_version_of_the_same_number(world, served, root):
    add(root, "a", 1)
    add(root, "b", 1)
    served.replace([ServedModel("m", f"{root}/a")])
    await world.look()
    await world.load_all()
    before = world.manager.models["m"].routes[""]

    served.replace([ServedModel("m", f"{root}/b")])
    logs = await world.look()
    assert world.manager.models["m"].routes[""] is before
    assert not [line for line in logs if "changed in place" in str(line)]

    await world.load_all()
    now = world.manager.models["m"].routes["1"]
    assert now is not before
    assert world.supply.find(now.settings, 1).spec.artifact == f"{root}/b/1/model.onnx"
    with pytest.raises(LoadError, match="comes from another folder by now"):
        world.supply.find(before.settings, 1)


async def test_a_base_path_that_is_not_there_is_told_without_naming_it(world, served, root):
    (root / "file").write_text("")
    served.replace([
        ServedModel("gone", f"{root}/nowhere"),
        ServedModel("file", f"{root}/file"),
        ServedModel("empty", f"{root}"),
    ])  # fmt: skip

    await world.look()

    assert world.errors() == {
        "gone": "its base path does not exist",
        "file": "its base path is not a folder",
        "empty": "no version folder; expected a folder named by a number, such as 1",
    }
    assert world.wanted() == {}

    add(root, "nowhere", 3)
    await world.look()

    assert world.wanted() == {"gone": (3,)}


async def test_a_base_path_that_goes_away_unloads_nothing(world, served, root):
    add(root, "a", 1)
    served.replace([ServedModel("a", f"{root}/a")])
    await world.look()
    await world.load_all()

    shutil.move(root / "a", root / "elsewhere")
    await world.look()
    assert world.serving("a") == (1,)

    shutil.move(root / "elsewhere", root / "a")
    shutil.rmtree(root / "a/1")
    await world.look()
    assert world.serving("a") == ()


async def test_links_are_followed_inside_the_base_path_and_not_out_of_it(world, served, root):
    add(root, "a", 1)
    add(root, "secret", 2)
    (root / "a/3").symlink_to("1")
    (root / "a/2").symlink_to(root / "secret/2")
    (root / "link").symlink_to("a")
    served.replace([ServedModel("m", f"{root}/link", policy=ALL)])

    await world.look()

    assert world.wanted() == {"m": (1, 3)}


async def test_the_model_config_goes_before_a_repository(served, root):
    add(root, "a", 7)
    add(root, "b", 1)
    add(root.parent, "own", 2)
    served.replace([ServedModel("a", f"{root.parent}/own")])
    world = World(root, served=served)

    logs = await world.look()

    assert world.wanted() == {"a": (2,), "b": (1,)}
    assert any("the model config already has a model 'a'" in str(line) for line in logs)


async def test_a_file_that_cannot_be_taken_up_is_logged_once(tmp_path, root):
    add(root, "a", 1)
    file = tmp_path / "models.config"
    file.write_text(f'model_config_list {{ config {{ name: "a" base_path: "{root}/a" }} }}')
    world = World(served=ServedSet(file=file))
    await world.look()

    file.write_text("model_config_list {")
    first, second = await world.look(), await world.look()

    assert [line["event"] for line in first if line["log_level"] == "error"] == [
        "model config not taken up; all models stay as they are"
    ]
    assert second == []
    assert world.wanted() == {"a": (1,)}


async def test_the_servers_batching_is_for_every_model_without_its_own(served, root):
    add(root, "a", 1)
    add(root, "b", 1, yaml="max_batch_size: 4\nbatching: {max_queue_delay_us: 7}")
    add(root.parent, "c", 1)
    served.replace([ServedModel("c", f"{root.parent}/c")])
    world = World(root, served=served, batching=BatchingDefaults(Batching(50, usual_rows=8)))

    await world.look()

    found = {name: model.settings.batching for name, model in world.manager.models.items()}
    assert found == {
        "a": Batching(50, usual_rows=8), "b": Batching(7), "c": Batching(50, usual_rows=8),
    }  # fmt: skip
