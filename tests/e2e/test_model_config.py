"""A server told by TensorFlow Serving's config file what to serve, and clients that keep asking."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from tests.harness.echo_repository import add_echo, ask, put
from tests.harness.model_configs import config, entry, reloads
from tests.harness.onnx_models import save_scaling
from tests.harness.operator import Operator, until
from tests.harness.server_process import serving

PROMPT = ("--quiet-period", "0.05", "--poll-interval", "0.1")


class Asking:
    """Clients that each ask all the time, and what became of it."""

    def __init__(self, url: str, models: tuple[str, ...], clients: int) -> None:
        self.answers: Counter[tuple[str, float]] = Counter()
        self.failures: list[str] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(models[i % len(models)],))
            for i in range(clients * len(models))
        ]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, model: str) -> None:
        url = f"{self._url}/v2/models/{model}/infer"
        with httpx.Client(timeout=30) as client:
            while not self._stop.wait(0.005):
                answer = client.post(url, json=ask([1.0, 1.0]))
                if answer.status_code == 200:
                    self.answers[model, answer.json()["outputs"][0]["data"][0]] += 1
                else:
                    self.failures.append(f"{model}: {answer.status_code} {answer.text}")


class Configured:
    """A server that follows a config file, and the folders of the models that it may name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "models.config"
        self.at: Operator

    def write(self, *entries: str) -> None:
        """Put a whole new config into place."""
        put(self.file, config(*entries))

    def answer(self, model: str, version: str = "") -> float | None:
        """What the model makes of 1; None where it does not answer."""
        answer = self.at.infer(model, version, [1.0, 1.0])
        return answer.json()["outputs"][0]["data"][0] if answer.status_code == 200 else None

    def until_answers(self, model: str, value: float | None, version: str = "") -> None:
        until(lambda: self.answer(model, version) == value)


@pytest.fixture(scope="module")
def configured(tmp_path_factory) -> Iterator[Configured]:
    made = Configured(tmp_path_factory.mktemp("configured"))
    for version, factor in ((1, 2.0), (2, 3.0), (5, 4.0)):
        save_scaling(made.root / f"scaling/{version}", factor)
    save_scaling(made.root / "far/away/blue/1", 10.0)
    save_scaling(made.root / "far/away/green/1", 20.0)
    made.write(entry("scaling", made.root / "scaling"))
    parameters = made.root / "batching.config"
    parameters.write_text("max_batch_size { value: 96 } allowed_batch_sizes: [32, 96]")
    arguments = (
        *PROMPT, "--frontends", "2", "--model-config-file", str(made.file),
        "--enable-batching", "--batching-parameters-file", str(parameters),
    )  # fmt: skip
    with serving(arguments=arguments) as server:
        made.at = Operator(server)
        yield made


def test_versions_and_labels_are_those_of_the_file(configured):
    folder = configured.root / "scaling"
    configured.write(
        entry(
            "scaling", folder,
            "model_version_policy { specific { versions: 1 versions: 2 } } "
            'version_labels { key: "stable" value: 1 } version_labels { key: "next" value: 2 }',
        )
    )  # fmt: skip
    configured.until_answers("scaling", 2.0, "stable")
    configured.until_answers("scaling", 3.0, "next")
    assert configured.answer("scaling") == 3.0
    assert configured.answer("scaling", "5") is None

    configured.write(
        entry(
            "scaling", folder,
            'model_version_policy { latest {} } version_labels { key: "stable" value: 5 }',
        )
    )  # fmt: skip
    configured.until_answers("scaling", 4.0, "stable")
    configured.until_answers("scaling", None, "1")
    assert configured.answer("scaling", "next") is None


def test_a_new_version_in_a_base_path_is_taken_up(configured):
    save_scaling(configured.root / "growing/1", 2.0)
    configured.write(entry("growing", configured.root / "growing"))
    configured.until_answers("growing", 2.0)

    save_scaling(configured.root / "growing/2", 3.0)

    configured.until_answers("growing", 3.0)


def test_batching_is_as_the_parameters_say_for_models_that_have_none(configured):
    fixed = [{"name": "x", "datatype": "FP32", "shape": [2]}]
    add_echo(configured.root, "single", inputs=fixed)
    add_echo(configured.root, "own", max_batch_size=8)
    configured.write(
        *(entry(name, configured.root / name) for name in ("scaling", "own", "single"))
    )
    configured.until_answers("scaling", 4.0)
    configured.at.until_answers("own", 1)
    until(lambda: configured.at.states("single") == {"1": "READY"})

    rows = {"scaling": 96, "own": 8}
    for name, most in rows.items():
        assert configured.at.infer(name, "", [1.0, 2.0] * most).status_code == 200
        assert configured.at.infer(name, "", [1.0, 2.0] * (most + 1)).status_code == 400
        settings = configured.at.get(f"/v2/models/{name}/config").json()
        assert (settings["max_batch_size"], "dynamic_batching" in settings) == (most, True)


def test_a_config_that_is_wrong_changes_nothing_and_is_told(configured):
    configured.write(entry("scaling", configured.root / "scaling"))
    configured.until_answers("scaling", 4.0)

    configured.write(entry("scaling", configured.root / "scaling"), "config { nome: 'x' }")
    told = configured.at.server.wait_for("model config not taken up; all models stay as they are")
    assert told["reason"].startswith("models.config: line 1: ")
    assert configured.answer("scaling") == 4.0

    configured.write(entry("scaling", configured.root / "scaling"), entry("x", configured.root))
    configured.at.until_reason("x", "", "no version folder")


def test_no_request_is_lost_while_the_file_replaces_all_models(configured):
    with replaced_under_load(configured) as rounds:
        for entries, value, fresh, gone in rounds(5):
            configured.write(*entries)
            configured.until_answers("moved", value)
            configured.until_answers(fresh, value)
            configured.until_answers(gone, None)


def test_no_request_is_lost_while_calls_replace_all_models(configured):
    with (
        replaced_under_load(configured) as rounds,
        reloads(configured.at.server.grpc_address) as reload,
    ):
        for entries, value, fresh, gone in rounds(20):
            reload(*entries)
            # It has answered, so all of it is in force, in whichever frontend is asked.
            assert configured.answer("moved") == value
            assert configured.answer(fresh) == value
            assert configured.answer(gone) is None


def test_a_call_that_fails_says_why_and_what_serves_goes_on(configured):
    scaling = entry("scaling", configured.root / "scaling")
    with reloads(configured.at.server.grpc_address) as reload:
        with pytest.raises(grpc.RpcError) as refused:
            reload(scaling, entry("lost", configured.root / "no"))
        assert refused.value.details() == (
            "1 model(s) did not become available: {{lost: its base path does not exist}}"
        )
        for entries, words in (
            ([scaling, entry("etc", Path("/etc"))], "start the server with --reload-folder"),
            ([scaling, scaling], "model 'scaling' is listed more than once"),
            ([scaling[:-1] + 'version_labels { key: "x" value: 9 } }'], "Request to assign label"),
        ):
            with pytest.raises(grpc.RpcError, match=words):
                reload(*entries)

    assert configured.answer("scaling") == 4.0


Round = tuple[list[str], float, str, str]


@contextlib.contextmanager
def replaced_under_load(configured: Configured) -> Iterator[Callable[[int], Iterator[Round]]]:
    """Rounds of new models: their entries, what `moved` answers then, and which other name is new
    and which gone; while clients ask for a model that stays and for one that moves each time.
    """
    places = {10.0: "blue", 20.0: "green"}

    def rounds(count: int) -> Iterator[Round]:
        for number in range(count):
            value = 10.0 if number % 2 else 20.0
            folder = configured.root / "far/away" / places[value]
            fresh, gone = f"only-{number % 2}", f"only-{(number + 1) % 2}"
            entries = [kept, entry("moved", folder), entry(fresh, folder)]
            yield entries, value, fresh, gone

    kept = entry("kept", configured.root / "scaling")
    configured.write(kept, entry("moved", configured.root / "far/away/blue"))
    configured.until_answers("moved", 10.0)
    configured.until_answers("kept", 4.0)
    with Asking(configured.at.server.url, ("kept", "moved"), 2) as asked:
        yield rounds

    assert asked.failures == []
    assert set(asked.answers) == {("kept", 4.0), ("moved", 10.0), ("moved", 20.0)}
    assert configured.at.reached("kept", "ENDED") == []
