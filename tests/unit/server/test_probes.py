"""The gateway answers probes from the lifecycle itself, without any frontend."""

import pytest

from server.errors import NotFound
from server.probes import GatewayProbes
from tests.unit.server.routing.routing_world import World


class Gateway(World):
    def __init__(self, *required: str) -> None:
        super().__init__()
        self.listening = True
        self.probes = GatewayProbes(
            self.models, required, lambda: self.listening, self.publisher.in_force
        )

    def serve(self, version: int, name: str = "m") -> None:
        self.ready(version, name).pool.is_ready = True


@pytest.fixture
def gateway():
    made = Gateway()
    made.want(1)
    made.serve(1)
    made.probes.started()
    return made


def test_ready_from_when_all_models_were_given_their_chance_until_it_stops():
    gateway = Gateway()
    gateway.want(1)
    gateway.serve(1)
    assert not gateway.probes.ready()

    gateway.probes.started()
    assert gateway.probes.ready()

    gateway.probes.stop_admitting()
    assert not gateway.probes.ready()
    assert gateway.probes.live()
    assert gateway.probes.model_ready("m", "")


def test_nobody_is_let_in_before_a_frontend_listens(gateway):
    gateway.listening = False

    assert not gateway.probes.ready()


async def test_what_no_frontend_knows_of_yet_is_not_ready_and_a_switch_changes_nothing(gateway):
    frontend = gateway.frontend(prompt=False)
    gateway.want(1, name="new", required=True)
    gateway.serve(1, "new")
    assert not gateway.probes.ready()

    frontend.deliver()
    assert gateway.probes.ready()

    gateway.want(1, 2, name="new", required=True)
    gateway.serve(2, "new")
    assert not gateway.publisher.in_force("new")
    assert gateway.probes.ready()


def test_a_version_that_loads_or_has_failed_beside_it_changes_nothing(gateway):
    gateway.want(1, 2)
    assert gateway.probes.ready()

    load = [one for one in gateway.model().loads.values() if one.version == 2][-1]
    load.move(type(load.state).LOADING)
    load.move(type(load.state).FAILED, "no such op")

    assert gateway.probes.ready()
    assert gateway.probes.model_ready("m", "1")
    assert not gateway.probes.model_ready("m", "2")


def test_a_required_model_without_a_worker_takes_readiness(gateway):
    gateway.want(1, name="other", required=True)
    assert not gateway.probes.ready()

    gateway.serve(1, "other")
    assert gateway.probes.ready()

    gateway.model("other").routes[""].pool.is_ready = False
    assert not gateway.probes.ready()
    assert not gateway.probes.model_ready("other", "")


def test_a_model_named_as_required_need_not_even_be_known():
    gateway = Gateway("absent")
    gateway.want(1)
    gateway.serve(1)
    gateway.probes.started()

    assert not gateway.probes.ready()


def test_unknown_models_and_versions_are_not_found(gateway):
    for model, version in [("nobody", ""), ("m", "9"), ("m", "stable")]:
        with pytest.raises(NotFound):
            gateway.probes.model_ready(model, version)
