"""A call replaces all models of the model config, and ends when the new ones are available."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from runtimes.contract.messages import Ready
from runtimes.contract.tensor import NamedSignature, Signature
from server.admission import AdmissionBounds
from server.config import ModelControl
from server.controlplane import ServingControlPlane
from server.errors import FailedPrecondition, Internal, InvalidArgument, Unsupported
from server.lifecycle.observation import Observation
from server.lifecycle.states import State
from server.profiling import ProfileTaker
from server.replacing import Replacing
from server.repository.served import ServedModel
from server.repository.served_set import ServedSet
from server.repository.settings import VersionPolicy
from server.repository.store_url import StoreUrl
from server.supply import Supply
from server.telemetry.lifecycle import LifecycleMeter
from server.workers.worker import LoadError
from tests.unit.server.lifecycle.doubles import FakeLoader, FakePool, make_manager, turn
from tests.unit.server.supply_world import add
from tests.unit.server.switched import switches

ALL = VersionPolicy(None)


async def until(condition: Callable[[], object]) -> None:
    """Let everything run, a call's thread too, until `condition` holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


class Loads(FakeLoader):
    """Loads of several models, whose ids are not told apart by a FakeLoader."""

    def __init__(self):
        super().__init__()
        self.under_way = {}

    async def load(self, version, previous):
        self.under_way[version] = asyncio.get_running_loop().create_future()
        try:
            await self.under_way[version]
        finally:
            del self.under_way[version]
        version.pool, version.ready = (
            FakePool(),
            Ready((NamedSignature(Signature((), ())),), "cpu", 1, 1),
        )


class World:
    """A control plane whose models can be replaced, with loads that end when told to."""

    def __init__(self, root: Path, timeout: float = 5.0, labels_may_wait: bool = False) -> None:
        self.root = root
        self.served = ServedSet()
        self.supply = Supply((), 4, 0.0, LifecycleMeter(CollectorRegistry()), served=self.served)
        self.loads = Loads()
        self.manager, _, _, history = make_manager(retries=1, loader=self.loads)
        replacing = Replacing(
            self.served, self.supply, self.manager, self._look, self.manager.publisher,
            folders=[root, StoreUrl("s3", "box", "prod")], timeout=timeout,
            labels_may_wait=labels_may_wait,
        )  # fmt: skip
        self.plane = ServingControlPlane(
            self.manager, self.supply, history, ModelControl.POLL, self._look,
            self.manager.publisher, Observation(AdmissionBounds(8, 80, 8, 80), 4), switches(),
            ProfileTaker(self.manager.find, 1024), replacing,
        )  # fmt: skip

    def model(self, name: str, folder: str = "", **fields) -> ServedModel:
        return ServedModel(name, f"{self.root}/{folder or name}", **fields)

    async def replace(self, *models: ServedModel, failing: tuple[int, ...] = ()) -> None:
        """A call together with the loads it leads to."""
        call = asyncio.ensure_future(self.plane.replace_models(models))
        await until(lambda: self.end_loads(*failing) or call.done())
        await call

    def end_loads(self, *failing: int) -> None:
        for version, load in [*self.loads.under_way.items()]:
            if load.done():
                continue
            if version.version in failing:
                load.set_exception(LoadError("broken"))
            else:
                load.set_result(None)

    def serving(self) -> dict[str, tuple[int, ...]]:
        return {name: model.serving for name, model in self.manager.models.items()}

    def labels(self, name: str) -> dict[str, int]:
        return dict(self.manager.models[name].labels)

    async def _look(self) -> None:
        self.supply.announce(self.supply.scan(), self.manager)


@pytest.fixture
async def world(tmp_path) -> World:
    for name in ("a", "b", "c"):
        add(tmp_path, name, 1, 2)
    return World(tmp_path)


async def test_the_whole_set_is_replaced(world):
    await world.replace(world.model("a"), world.model("b"))
    assert world.serving() == {"a": (2,), "b": (2,)}

    await world.replace(world.model("b"), world.model("c", policy=ALL))
    assert world.serving() == {"b": (2,), "c": (1, 2)}

    await world.replace()
    await until(lambda: world.serving() == {})


async def test_the_call_ends_when_the_new_models_are_available_and_not_before(world):
    call = asyncio.ensure_future(world.plane.replace_models([world.model("a"), world.model("b")]))
    await until(lambda: len(world.loads.under_way) == 2)
    assert world.serving() == {"a": (), "b": ()}
    assert not call.done()

    world.end_loads()
    await asyncio.wait_for(call, 5)
    assert world.serving() == {"a": (2,), "b": (2,)}


async def test_the_call_does_not_wait_for_requests_in_what_goes(world):
    await world.replace(world.model("m", "a"))
    table = world.manager.models["m"].routes[""]
    with world.manager.acquire("m", ""):
        await world.replace(world.model("m", "b"))
        assert table.state is State.DRAINING
        assert world.serving() == {"m": (2,)}


async def test_models_that_do_not_become_available_are_counted_and_told(world, tmp_path):
    shutil.rmtree(tmp_path / "c")
    with pytest.raises(Internal) as error:
        await world.replace(
            world.model("a"), world.model("b", policy=VersionPolicy(1)), world.model("c"),
            world.model("d", "a", policy=VersionPolicy(None, (9,))), failing=(2,),
        )  # fmt: skip

    assert error.value.message == (
        "4 model(s) did not become available: {{a: version 2: broken (attempt 1 of 2, next in "
        "10 s)}, {b: version 2: broken (attempt 1 of 2, next in 10 s)}, {c: its base path does not "
        "exist}, {d: its version policy asks for none of its versions [1, 2]}}"
    )
    assert str(tmp_path) not in error.value.message


async def test_a_failure_names_ten_models_at_most(world):
    with pytest.raises(Internal) as error:
        await world.replace(*(world.model(f"m{i}", "nowhere") for i in range(14)))

    assert error.value.message.startswith("14 model(s) did not become available: {{m0:")
    assert error.value.message.endswith("and 4 more}")


async def test_a_model_that_takes_too_long_is_told_and_stays_wanted(world):
    hasty = World(world.root, timeout=0.01)
    with pytest.raises(Internal, match=r"1 model\(s\) did not .*\{a: still loading\}"):
        await hasty.plane.replace_models([hasty.model("a")])

    hasty.end_loads()
    await turn()
    assert hasty.serving() == {"a": (2,)}


async def test_one_broken_version_beside_a_good_one_is_an_available_model(world):
    await world.replace(world.model("a", policy=ALL), failing=(2,))

    assert world.serving() == {"a": (1,)}


async def test_what_serves_from_another_folder_does_not_make_a_model_available(world):
    await world.replace(world.model("m", "a"))
    with pytest.raises(Internal, match=r"\{m: version 2: broken"):
        await world.replace(world.model("m", "b"), failing=(2,))

    assert world.serving() == {"m": (2,)}


async def test_calls_take_turns(world):
    first = asyncio.ensure_future(world.plane.replace_models([world.model("a")]))
    second = asyncio.ensure_future(world.plane.replace_models([world.model("b")]))
    await until(lambda: world.loads.under_way)
    assert list(world.manager.models) == ["a"]

    await until(lambda: world.end_loads() or (first.done() and second.done()))
    await until(lambda: world.serving() == {"b": (2,)})


@pytest.mark.parametrize(
    "path",
    [
        "/etc", "/", "{root}x/a", "{root}/out", "{root}/round",
        "s3://box", "s3://box/production/a", "s3://boxes/prod/a", "gs://box/prod/a",
    ],
)  # fmt: skip
async def test_a_folder_outside_of_those_that_are_allowed_is_refused(world, tmp_path, path):
    (tmp_path / "out").symlink_to("/")
    (tmp_path / "round").symlink_to("round")
    await world.replace(world.model("a"))
    with pytest.raises(InvalidArgument, match="--reload-folder") as error:
        await world.replace(ServedModel("b", path.format(root=tmp_path)))

    assert world.serving() == {"a": (2,)}
    assert str(tmp_path) not in error.value.message


async def test_labels_move_with_the_call_once_their_versions_are_ready(world):
    await world.replace(world.model("a", policy=VersionPolicy(None, (1,)), labels={"stable": 1}))
    assert world.labels("a") == {"stable": 1}

    await world.replace(world.model("a", policy=ALL, labels={"stable": 2, "old": 1}))
    assert world.labels("a") == {"stable": 2, "old": 1}


@pytest.mark.parametrize("version", [2, 9], ids=["one that fails", "one that is not there"])
async def test_a_label_of_a_version_that_is_not_available_is_refused_and_all_labels_stay(
    world, version
):
    one = VersionPolicy(None, (1,))
    await world.replace(world.model("a", policy=one, labels={"stable": 1}), world.model("b"))
    with pytest.raises(FailedPrecondition) as error:
        await world.replace(
            world.model("a", policy=ALL, labels={"stable": version, "fresh": 1}),
            world.model("b"), world.model("c", policy=one, labels={"good": 1}), failing=(2,),
        )  # fmt: skip

    assert error.value.message == (
        f"Request to assign label to version {version} of model a, which is not currently "
        "available for inference"
    )
    assert (world.labels("a"), world.labels("c")) == ({"stable": 1}, {})
    assert world.serving()["c"] == (1,)


async def test_where_labels_may_wait_one_of_a_version_to_come_is_kept(world):
    patient = World(world.root, labels_may_wait=True)
    await patient.replace(patient.model("a", labels={"next": 3, "stable": 2}))
    assert patient.labels("a") == {"stable": 2}

    add(patient.root, "a", 3)
    await patient.replace(patient.model("a", labels={"next": 3, "stable": 2}))
    assert patient.labels("a") == {"next": 3, "stable": 2}


async def test_a_server_without_a_model_config_says_how_to_start_it(tmp_path):
    manager, _, _, history = make_manager()
    supply = Supply((tmp_path,), 4, 0.0, LifecycleMeter(CollectorRegistry()))
    plane = ServingControlPlane(
        manager, supply, history, ModelControl.POLL, turn, manager.publisher,
        Observation(AdmissionBounds(8, 80, 8, 80), 4), switches(), ProfileTaker(manager.find, 1024),
    )  # fmt: skip

    with pytest.raises(Unsupported, match="Start it with --model-config-file"):
        await plane.replace_models([])
