"""What lies in the repositories becomes what the lifecycle manager is asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from runtimes.contract.messages import Batching
from server.errors import InvalidArgument
from server.repository.artifacts import Artifact
from server.repository.errors import RepositoryError
from server.repository.listing import ModelEntry
from server.repository.publish import publish
from server.repository.settings import ModelSettings, Precision
from server.supply import Supply, devices_of, spec_of
from server.telemetry.lifecycle import LifecycleMeter
from server.workers.worker import LoadError
from tests.unit.server.lifecycle.doubles import make_manager, turn


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def add(root: Path, model: str, *versions: int, yaml: str = "", artifact: str = "model.onnx"):
    for version in versions:
        folder = root / model / str(version)
        folder.mkdir(parents=True)
        (folder / artifact).write_bytes(b"weights")
    (root / model).mkdir(exist_ok=True)
    if yaml:
        (root / model / "model.yaml").write_text(yaml)


class World:
    """A supply over folders, and a lifecycle manager whose loads end when told to."""

    def __init__(self, *roots: Path, quiet_period: float = 0.0) -> None:
        self.registry = CollectorRegistry()
        self.supply = Supply(roots, 4, quiet_period, LifecycleMeter(self.registry))
        self.manager, self.loader, self.clock, self.history = make_manager(retries=0)

    async def look(self) -> list[dict[str, object]]:
        """Announce what is there now; what was logged."""
        with capture_logs() as logs:
            self.supply.announce(self.supply.scan(), self.manager)
            await turn()
        return logs

    async def load_all(self) -> None:
        while self.loader.pending:
            for id in list(self.loader.pending):
                self.loader.succeed(id)
            await turn()

    async def fail_all(self) -> None:
        for id in list(self.loader.pending):
            self.loader.fail(id)
        await turn()

    def wanted(self) -> dict[str, tuple[int, ...]]:
        return {name: model.wanted for name, model in self.manager.models.items() if model.wanted}

    def errors(self) -> dict[str, str]:
        return {name: model.error for name, model in self.manager.models.items() if model.error}

    def serving(self, name: str) -> tuple[int, ...]:
        return self.manager.models[name].serving

    def changed_in_place(self, model: str) -> float | None:
        name = "underway_versions_changed_in_place_total"
        return self.registry.get_sample_value(name, {"model": model})

    def spec(self, name: str, version: int, **settings: object):
        return self.supply.find(ModelSettings(name, **settings), version).spec


# ---- announce -----------------------------------------------------------------------------------


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
