"""What lies in the repositories becomes what the lifecycle manager is asked for."""

from __future__ import annotations

import shutil

import pytest

from server.repository.errors import RepositoryError
from server.repository.publish import publish
from tests.unit.server.supply_world import World, add, root

__all__ = ["root"]  # a fixture


async def test_the_newest_version_of_each_model_is_wanted(root):
    add(root, "a", 1, 2, 10)
    add(root, "b", 7)
    world = World(root)

    await world.look()

    assert world.wanted() == {"a": (10,), "b": (7,)}


async def test_the_version_policy_says_which_versions_are_wanted(root):
    add(root, "every", 1, 2, 3, yaml="version_policy: all")
    add(root, "two", 1, 2, 3, yaml="version_policy: {latest: 2}")
    add(root, "some", 1, 2, 3, yaml="version_policy: {specific: [1, 3, 9]}")
    world = World(root)

    await world.look()

    assert world.wanted() == {"every": (1, 2, 3), "two": (2, 3), "some": (1, 3)}


async def test_a_model_that_cannot_be_served_is_shown_with_the_reason_and_the_others_are_served(
    root,
):
    add(root, "good", 1)
    add(root, "misspelt", 1, yaml="max_batchsize: 8")
    add(root, "empty")
    add(root, "absent", 1, yaml="version_policy: {specific: [5]}")
    world = World(root)

    await world.look()

    assert world.wanted() == {"good": (1,)}
    assert world.errors() == {
        "misspelt": "model.yaml: max_batchsize: unknown, did you mean max_batch_size?",
        "empty": "no version folder; expected a folder named by a number, such as 1",
        "absent": "its version policy asks for none of its versions [1]",
    }


async def test_settings_that_become_wrong_leave_what_serves_and_say_why(root):
    add(root, "a", 1)
    world = World(root)
    await world.look()
    await world.load_all()

    add(root, "a", yaml="swop: surge")
    await world.look()

    assert world.serving("a") == (1,)
    assert world.errors() == {"a": "model.yaml: swop: unknown, did you mean swap?"}


async def test_settings_that_are_put_right_take_the_reason_away(root):
    add(root, "a", 1, yaml="swop: surge")
    world = World(root)
    await world.look()

    add(root, "a", yaml="swap: surge")
    await world.look()

    assert world.errors() == {}
    assert world.wanted() == {"a": (1,)}


async def test_a_new_version_and_a_new_model_are_followed(root):
    add(root, "a", 1)
    world = World(root)
    await world.look()
    await world.load_all()

    add(root, "a", 2)
    add(root, "b", 1)
    await world.look()
    await world.load_all()

    assert (world.serving("a"), world.serving("b")) == ((2,), (1,))


async def test_a_model_that_is_removed_is_unloaded(root):
    add(root, "a", 1)
    world = World(root)
    await world.look()
    await world.load_all()

    shutil.rmtree(root / "a")
    logs = await world.look()

    assert "a" not in world.manager.models
    assert logs[0]["event"] == "model removed from its repository"
    assert world.history.entries("a")[-1].cause == "repository"


async def test_a_removed_model_takes_its_error_along(root):
    add(root, "a", 1, yaml="swop: surge")
    world = World(root)
    await world.look()

    shutil.rmtree(root / "a")
    await world.look()

    assert world.errors() == {}


async def test_a_repository_that_is_gone_for_a_while_unloads_nothing(root):
    add(root, "a", 1)
    world = World(root)
    await world.look()
    await world.load_all()

    root.rename(root.with_name("elsewhere"))
    logs = await world.look()

    assert world.serving("a") == (1,)
    assert [line["what"] for line in logs] == [
        "repository 1, what it served stays: model repository 1 does not exist"
    ]


async def test_a_repository_that_is_not_there_at_the_start_is_an_error_without_its_path(root):
    root.rmdir()

    with pytest.raises(RepositoryError, match=r"^model repository 1 does not exist$"):
        World(root).supply.scan()


async def test_the_first_of_two_repositories_wins_a_name(root, tmp_path):
    second = tmp_path / "more"
    add(root, "same", 1)
    add(second, "same", 2)
    add(second, "other", 1)
    world = World(root, second)

    logs = await world.look()

    assert world.wanted() == {"same": (1,), "other": (1,)}
    assert "an earlier repository already has a model 'same'" in str(logs)


async def test_a_version_that_is_still_being_copied_is_not_wanted_and_the_reason_is_shown(root):
    add(root, "a", 1)
    world = World(root, quiet_period=1000)

    logs = await world.look()

    assert world.wanted() == {}
    assert world.errors() == {"a": "version 1: it changed less than 1000 s ago"}
    assert "model a, version 1: not loaded yet, it changed less than 1000 s ago" in str(logs)


async def test_a_published_version_is_wanted_at_once(root, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"weights")
    world = World(root, quiet_period=1000)
    publish(tmp_path / "net.onnx", root / "a")

    await world.look()

    assert world.wanted() == {"a": (1,)}


async def test_what_is_passed_over_is_said_once_and_again_when_it_comes_back(root):
    add(root, "a", 1)
    (root / "a" / "v2").mkdir()
    world = World(root)

    first, again = await world.look(), await world.look()
    (root / "a" / "v2").rmdir()
    gone = await world.look()
    (root / "a" / "v2").mkdir()
    back = await world.look()

    passed_over = [
        [line["what"] for line in logs if line["event"] == "passed over"]
        for logs in (first, again, gone, back)
    ]
    text = "model a: folder 'v2': a version is a positive integer without leading zeros"
    assert passed_over == [[text], [], [], [text]]


async def test_to_note_what_is_there_wants_nothing(root):
    add(root, "a", 1)
    world = World(root)

    world.supply.note(world.supply.scan())

    assert list(world.supply.names()) == ["a"]
    assert world.manager.models == {}


# ---- changes in place ---------------------------------------------------------------------------
