"""What clients and operators may ask of the repository and the lifecycle."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from server.admission import AdmissionBounds
from server.config import ModelControl
from server.controlplane import ServingControlPlane
from server.errors import InvalidArgument, NotFound, Unsupported
from server.lifecycle.observation import Observation
from server.lifecycle.states import State
from server.looking import MAX_LOOKS
from server.planes import IndexEntry
from server.profiling import ProfileTaker
from server.repository.errors import RepositoryError
from server.supply import Supply
from server.telemetry.lifecycle import LifecycleMeter
from tests.unit.server.lifecycle.doubles import make_manager, turn
from tests.unit.server.switched import switches


class World:
    """A control plane over folders, with loads that end when told to."""

    def __init__(self, root: Path, control: ModelControl, quiet_period: float = 0.0) -> None:
        meter = LifecycleMeter(CollectorRegistry())
        self.supply = Supply((root,), 4, quiet_period, meter)
        self.manager, self.loader, _, history = make_manager(retries=0)
        self.looks = 0
        self.trouble: Exception | None = None
        self.plane = ServingControlPlane(
            self.manager, self.supply, history, control, self._look,
            self.manager.publisher, Observation(AdmissionBounds(8, 80, 8, 80), 4), switches(),
            ProfileTaker(self.manager.find, 1024),
        )  # fmt: skip

    async def _look(self) -> None:
        self.looks += 1
        if self.trouble is not None:
            raise self.trouble
        self.supply.note(self.supply.scan())

    async def follow(self) -> None:
        """Take up what is there, as under poll."""
        self.supply.announce(self.supply.scan(), self.manager)
        await turn()

    async def end_loads(self, *failing: int) -> None:
        """Let every load end, those of the versions `failing` badly."""
        while self.loader.pending:
            for load in list(self.manager.versions()):
                if load.state is State.LOADING:
                    end = self.loader.fail if load.version in failing else self.loader.succeed
                    end(load.id)
            await turn()

    async def load(self, model: str, *failing: int, **parameters) -> None:
        """A load call together with the loads it leads to."""
        call = asyncio.ensure_future(self.plane.load(model, parameters))
        await turn()
        await self.end_loads(*failing)
        await asyncio.wait_for(call, 5)

    async def index(self, ready_only: bool = False) -> list[tuple[str, str, str, str]]:
        return [
            (line.name, line.version, line.state, line.reason)
            for line in await self.plane.index(ready_only)
        ]


def add(root: Path, model: str, *versions: int, yaml: str = "") -> Path:
    for version in versions:
        (root / model / str(version)).mkdir(parents=True)
        (root / model / str(version) / "model.onnx").write_bytes(b"weights")
    (root / model).mkdir(exist_ok=True)
    if yaml:
        (root / model / "model.yaml").write_text(yaml)
    return root / model


@pytest.fixture
async def explicit(tmp_path) -> World:
    return World(tmp_path, ModelControl.EXPLICIT)


@pytest.fixture
async def polling(tmp_path) -> World:
    return World(tmp_path, ModelControl.POLL)


# ---- the index -----------------------------------------------------------------------------------


async def test_the_index_has_a_line_for_every_version_by_name_and_number(polling, tmp_path):
    add(tmp_path, "b", 2, 10, yaml="version_policy: all")
    await polling.follow()
    await polling.end_loads(10)
    add(tmp_path, "a", 1)
    await polling.follow()
    await polling.end_loads()

    assert await polling.index() == [
        ("a", "1", "READY", ""),
        ("b", "2", "READY", ""),
        ("b", "10", "FAILED", "broken"),
    ]
    assert await polling.index(ready_only=True) == [
        ("a", "1", "READY", ""),
        ("b", "2", "READY", ""),
    ]


async def test_a_model_that_was_never_loaded_is_one_line_without_a_version(explicit, tmp_path):
    add(tmp_path, "a", 1)
    explicit.supply.note(explicit.supply.scan())

    assert await explicit.index() == [("a", "", "ENDED", "")]
    assert await explicit.index(ready_only=True) == []


async def test_a_model_that_cannot_be_served_is_one_line_with_the_reason(polling, tmp_path):
    add(tmp_path, "a", 1, yaml="max_batchsize: 8")
    await polling.follow()

    ((name, version, state, reason),) = await polling.index()
    assert (name, version, state) == ("a", "", "FAILED")
    assert reason.startswith("model.yaml: max_batchsize: unknown")


async def test_wrong_settings_are_told_beside_what_serves_nonetheless(polling, tmp_path):
    folder = add(tmp_path, "a", 1)
    await polling.follow()
    await polling.end_loads()
    (folder / "model.yaml").write_text("max_batchsize: 8")
    await polling.follow()

    ((name, version, state, reason),) = await polling.index()
    assert (name, version, state) == ("a", "1", "READY")
    assert reason.startswith("model.yaml: max_batchsize: unknown")


async def test_a_reload_that_failed_is_told_beside_the_load_that_serves(polling, tmp_path):
    folder = add(tmp_path, "a", 1)
    await polling.follow()
    await polling.end_loads()
    (folder / "model.yaml").write_text("max_batch_size: 8")
    await polling.follow()
    await polling.end_loads(1)

    assert await polling.index() == [("a", "1", "READY", "broken")]


async def test_a_version_that_is_not_whole_is_told_beside_the_others(polling, tmp_path):
    folder = add(tmp_path, "a", 1)
    await polling.follow()
    await polling.end_loads()
    (folder / "2").mkdir()
    (folder / "2/model.onnx.part").write_bytes(b"half")
    await polling.follow()

    reason = "'model.onnx.part' is still being written, by its name"
    assert await polling.index() == [("a", "1", "READY", ""), ("a", "2", "NEW", reason)]
    assert await polling.plane.index(True) == [IndexEntry("a", "1", "READY")]


# ---- load and unload -----------------------------------------------------------------------------


async def test_a_load_call_looks_at_the_repository_and_waits_for_the_load(explicit, tmp_path):
    add(tmp_path, "a", 1)
    call = asyncio.ensure_future(explicit.plane.load("a", {}))
    await turn()
    assert not call.done()

    await explicit.end_loads()

    await asyncio.wait_for(call, 5)
    assert await explicit.index() == [("a", "1", "READY", "")]
    assert {entry.cause for entry in explicit.plane.history("a", 10)} == {"api"}


async def test_a_load_call_without_a_change_loads_nothing(explicit, tmp_path):
    add(tmp_path, "a", 1)
    await explicit.load("a")

    await explicit.load("a")

    assert explicit.loader.started == [("a", 1)]


async def test_fifty_load_calls_at_once_are_one_load(explicit, tmp_path):
    add(tmp_path, "a", 1)

    calls = asyncio.gather(*(explicit.plane.load("a", {}) for _ in range(50)))
    await turn()
    await explicit.end_loads()
    await asyncio.wait_for(calls, 5)

    assert explicit.loader.started == [("a", 1)]


async def test_a_failed_load_is_tried_again_by_the_next_call(explicit, tmp_path):
    add(tmp_path, "a", 1)
    with pytest.raises(InvalidArgument, match=r"^load failed for model 'a': broken$"):
        await explicit.load("a", 1)

    await explicit.load("a")

    assert await explicit.index() == [("a", "1", "READY", "")]


async def test_the_configuration_of_a_call_holds_until_the_next_call(explicit, tmp_path):
    add(tmp_path, "a", 1)
    await explicit.load("a", config='{"max_batch_size": 4}')
    model = explicit.manager.get("a")
    assert model.settings.max_batch_size == 4

    await explicit.load("a")

    assert model.settings.max_batch_size is None
    assert explicit.loader.started == [("a", 1), ("a", 1)]


@pytest.mark.parametrize(
    ("model", "parameters", "error", "words"),
    [
        ("b", {}, InvalidArgument, "load failed for model 'b': no model repository holds it"),
        ("a", {"config": "{"}, InvalidArgument, "parameter 'config': not a model configuration"),
        ("a", {"config": 4}, InvalidArgument, "parameter 'config': expected a string of JSON"),
        ("a", {"config": b"{}"}, InvalidArgument, "parameter 'config': expected a string of JSON"),
        ("a", {"file:1/model.onnx": b"x"}, Unsupported, "parameter 'file:1/model.onnx': "),
        ("wrong", {}, InvalidArgument, "load failed for model 'wrong': model.yaml: max_batchsize"),
        ("none", {}, InvalidArgument, "load failed for model 'none': no version folder"),
    ],
)
async def test_a_load_that_cannot_be_is_refused_with_the_reason(
    explicit, tmp_path, model, parameters, error, words
):
    add(tmp_path, "a", 1)
    add(tmp_path, "wrong", 1, yaml="max_batchsize: 8")
    add(tmp_path, "none")

    with pytest.raises(error) as refused:
        await asyncio.wait_for(explicit.plane.load(model, parameters), 5)

    assert refused.value.message.startswith(words)
    assert explicit.loader.started == []


async def test_a_repository_that_cannot_be_read_is_the_reason(explicit):
    explicit.trouble = RepositoryError("model repository 1 does not exist")

    with pytest.raises(InvalidArgument) as refused:
        await explicit.plane.load("a", {})

    assert refused.value.message == "load failed for model 'a': model repository 1 does not exist"


async def test_a_version_that_was_written_just_now_is_waited_for(tmp_path):
    world = World(tmp_path, ModelControl.EXPLICIT, quiet_period=0.05)
    add(tmp_path, "a", 1)

    call = asyncio.ensure_future(world.plane.load("a", {}))
    while not world.loader.pending:
        await asyncio.sleep(0.01)
        assert not call.done()
    await world.end_loads()
    await asyncio.wait_for(call, 5)

    assert 2 <= world.looks <= MAX_LOOKS


async def test_unload_waits_until_the_version_is_gone_and_the_unknown_is_gone(explicit, tmp_path):
    add(tmp_path, "a", 1)
    await explicit.load("a")
    (pool,) = explicit.loader.pools.values()
    pool.may_stop.clear()
    call = asyncio.ensure_future(explicit.plane.unload("a", True))
    await turn()
    assert not call.done()

    pool.may_stop.set()

    await asyncio.wait_for(call, 5)
    assert pool.stopped
    assert [line[2] for line in await explicit.index()] == ["ENDED"]
    await explicit.plane.unload("nobody", False)


@pytest.mark.parametrize("control", [ModelControl.NONE, ModelControl.POLL])
async def test_without_explicit_control_both_say_how_to_have_it(tmp_path, control):
    plane = World(tmp_path, control).plane
    for call in (plane.load("a", {}), plane.unload("a", False)):
        with pytest.raises(Unsupported) as refused:
            await call
        assert f"runs with --model-control {control.value} " in refused.value.message
        assert refused.value.message.endswith("or start the server with --model-control explicit")


# ---- for operators -------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["1", "", "a b", "a.b", "-a", "a" * 65, "ä", "a\n"])
async def test_what_is_no_label_is_refused_and_moves_none_of_the_others(polling, tmp_path, label):
    add(tmp_path, "a", 1)
    await polling.follow()
    await polling.end_loads()

    with pytest.raises(InvalidArgument, match="expected a letter, then letters, digits"):
        await polling.plane.label("a", {"fine": 1, label: 1})

    assert polling.plane.labels("a") == {}


async def test_labels_are_moved_and_told(polling, tmp_path):
    add(tmp_path, "a", 1, 2, yaml="version_policy: all")
    await polling.follow()
    await polling.end_loads()

    await polling.plane.label("a", {"stable": 1, "canary": 2})
    assert polling.plane.labels("a") == {"stable": 1, "canary": 2}
    await polling.plane.label("a", {"stable": 2, "canary": None})

    assert polling.plane.labels("a") == {"stable": 2}
    with pytest.raises(NotFound):
        polling.plane.labels("nobody")
    with pytest.raises(NotFound):
        await polling.plane.label("nobody", {"a": 1})


async def test_a_rollback_waits_until_the_version_before_answers(polling, tmp_path):
    add(tmp_path, "a", 1, 2)
    await polling.follow()
    await polling.end_loads()
    call = asyncio.ensure_future(polling.plane.roll_back("a"))
    await turn()
    assert not call.done()

    await polling.end_loads()

    assert await asyncio.wait_for(call, 5) == 1
    assert polling.manager.find("a", "").version == 1


async def test_a_rollback_to_a_version_that_does_not_load_says_so(polling, tmp_path):
    add(tmp_path, "a", 1, 2)
    await polling.follow()
    await polling.end_loads()
    call = asyncio.ensure_future(polling.plane.roll_back("a"))
    await turn()

    await polling.end_loads(1)

    with pytest.raises(InvalidArgument, match="load failed for model 'a': broken"):
        await asyncio.wait_for(call, 5)
    assert polling.manager.find("a", "").version == 2


async def test_the_history_is_of_one_model_or_of_all(polling, tmp_path):
    for model in ("a", "b"):
        add(tmp_path, model, 1)
        await polling.follow()
        await polling.end_loads()

    assert {entry.model for entry in polling.plane.history("", 100)} == {"a", "b"}
    assert {entry.model for entry in polling.plane.history("b", 100)} == {"b"}
    assert len(polling.plane.history("", 1)) == 1
