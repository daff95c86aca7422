"""A running server as its operator sees and handles it: answers, states, history, metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
from click.testing import CliRunner, Result

from server.cli import main
from tests.harness.echo_repository import add_echo, ask
from tests.harness.family import workers
from tests.harness.server_process import ServerProcess

FAST = ("--quiet-period", "0.2", "--poll-interval", "0.2")
"""Flags of a server that sees and believes what changes soon."""

ROW = [1.0, 2.0]

Found = TypeVar("Found")


def until(condition: Callable[[], Found], seconds: float = 30.0) -> Found:
    """Wait until `condition` is true and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)
    return found


def in_background(call: Callable[[], Found]) -> Future[Found]:
    """Begin `call` in a thread of its own, which never keeps the tests from ending."""
    future: Future[Found] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


class Operator:
    """Asks a server over REST, on the clients' port and on the operators'."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.admin_url = f"http://127.0.0.1:{server.metrics_port}"
        self._client = httpx.Client(timeout=60)
        self._marks = 0

    # ---- clients -------------------------------------------------------------------------------

    def infer(
        self, model: str, version: str = "", row: list[float] | None = None
    ) -> httpx.Response:
        """One row to an echo model of the default signature."""
        values = ROW if row is None else row
        url = f"{self.server.url}/v2/models/{model}{_version(version)}/infer"
        return self._client.post(url, json=ask(values, len(values) // 2))

    def answers(self, model: str, version: str = "") -> str:
        """The number of the version that answers; "" where none does."""
        answer = self.infer(model, version)
        return str(answer.json()["model_version"]) if answer.status_code == 200 else ""

    def get(self, path: str) -> httpx.Response:
        """A page of the clients' port."""
        return self._client.get(f"{self.server.url}{path}")

    def ready(self) -> bool:
        """Whether the clients' port says that traffic may come."""
        return self.get("/v2/health/ready").status_code == 200

    def post(self, path: str, document: object = None) -> httpx.Response:
        """The same with a body of JSON."""
        return self._client.post(f"{self.server.url}{path}", json=document)

    def states(self, model: str) -> dict[str, str]:
        """State by version, as the repository index has it."""
        return {line.get("version", ""): line["state"] for line in self._lines(model)}

    def reason(self, model: str, version: str = "") -> str:
        """The reason in the index's line of that version."""
        lines = [one for one in self._lines(model) if one.get("version", "") == version]
        return str(lines[0].get("reason", "")) if lines else ""

    def load(self, model: str, config: str | None = None) -> httpx.Response:
        """A load call of the repository extension."""
        document = {} if config is None else {"parameters": {"config": config}}
        return self.post(f"/v2/repository/models/{model}/load", document)

    def unload(self, model: str) -> httpx.Response:
        """An unload call of the repository extension."""
        return self.post(f"/v2/repository/models/{model}/unload")

    # ---- operators -----------------------------------------------------------------------------

    def label(self, model: str, labels: object) -> httpx.Response:
        """Move labels: numbers by name."""
        url = f"{self.admin_url}/v2/admin/models/{model}/labels"
        return self._client.post(url, json={"labels": labels})

    def labels(self, model: str) -> dict[str, int]:
        """The labels that can be asked for now."""
        url = f"{self.admin_url}/v2/admin/models/{model}/labels"
        return dict(self._client.get(url).json()["labels"])

    def roll_back(self, model: str) -> httpx.Response:
        """Turn to the version before."""
        return self._client.post(f"{self.admin_url}/v2/admin/models/{model}/rollback")

    def history(self, model: str = "", limit: int | None = None) -> list[dict[str, Any]]:
        """What happened, oldest first."""
        of_model = f"models/{model}/" if model else ""
        query = {} if limit is None else {"limit": str(limit)}
        answer = self._client.get(f"{self.admin_url}/v2/admin/{of_model}history", params=query)
        return list(answer.json()["history"])

    def reached(self, model: str, state: str) -> list[int]:
        """The versions in the order in which they reached `state`."""
        return [one["version"] for one in self.history(model) if one["target"] == state]

    def metric(self, name: str, **labels: str) -> float:
        """See ServerProcess.metric."""
        return self.server.metric(name, **labels)

    def in_flight(self, model: str) -> float:
        """Requests a model has not answered yet."""
        return self.server.in_flight(model)

    def underway(self, *arguments: str) -> Result:
        """`underway models ...` against this server."""
        addresses = ["--url", self.server.url, "--admin-url", self.admin_url]
        return CliRunner().invoke(main, ["models", *addresses, *arguments])

    def workers(self, model: str) -> list[psutil.Process]:
        """The worker processes of one model; they carry its name."""
        return workers(self.server, model)

    # ---- waiting -------------------------------------------------------------------------------

    def until_answers(self, model: str, number: str | int, version: str = "") -> None:
        """Wait until that version answers for `version`."""
        until(lambda: self.answers(model, version) == str(number))

    def until_states(self, model: str, **states: str) -> None:
        """Wait for states of versions, given as `v1="READY"`, and of no others."""
        wanted = {version[1:]: state for version, state in states.items()}
        until(lambda: self.states(model) == wanted)

    def until_reason(self, model: str, version: str, words: str) -> str:
        """Wait until the index gives a reason with those words for that version."""
        return until(lambda: self._with(self.reason(model, version), words))

    def until_looked(self, root: Path) -> None:
        """Wait until all that is in `root` by now was looked at, by putting one more model there
        and waiting until it serves: the look that found it has read all others after that. What
        still has to be quiet for a while is not waited for.
        """
        self._marks += 1
        name = f"mark-{self._marks}"
        add_echo(root, name)
        self.until_answers(name, 1)

    def _lines(self, model: str) -> list[dict[str, str]]:
        index = self.post("/v2/repository/index").json()
        return [line for line in index if line["name"] == model]

    @staticmethod
    def _with(text: str, words: str) -> str:
        return text if words in text else ""


def _version(name: str) -> str:
    return f"/versions/{name}" if name else ""
