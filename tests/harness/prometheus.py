"""A real Prometheus that scrapes one server with the project's own rules, and answers queries."""

from __future__ import annotations

import contextlib
import math
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.harness.operator import until
from tests.harness.server_process import ROOT

FOLDER = ROOT / ".venvs/prometheus"
PROMETHEUS, PROMTOOL = FOLDER / "prometheus", FOLDER / "promtool"
DEPLOYED = ROOT / "deploy/prometheus"
RULES = DEPLOYED / "underway.rules.yaml"

FASTER = 60
"""What the rules call a minute is a second here. Windows stay as they are."""

LISTENING = re.compile(r'msg="Listening on" address=(\S+)')


class Prometheus:
    """Asks one over its API."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=60)
        self._moment = ""

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer; fails with what Prometheus says is wrong."""
        answer = self._client.get(f"/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", f"{answer.get('error')} in {parameters}"
        return answer["data"]

    def ready(self) -> bool:
        """Whether it answers queries."""
        return self._client.get("/-/ready").status_code == 200

    def freeze(self) -> None:
        """Answer queries as of this moment from here on."""
        self._moment = str(time.time())

    def values(self, expression: str) -> list[float]:
        """What an expression gives; what is not a number is left out."""
        at = {"time": self._moment} if self._moment else {}
        found = self.get("query", query=expression, **at)["result"]
        numbers = (float(sample["value"][1]) for sample in found)
        return [number for number in numbers if math.isfinite(number)]

    def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire, each with its model."""
        return {
            (one["labels"]["alertname"], one["labels"].get("model", ""))
            for one in self.get("alerts")["alerts"]
            if one["state"] == "firing"
        }


@contextlib.contextmanager
def scraping(target: str, folder: Path, *others: dict[str, object]) -> Iterator[Prometheus]:
    """One that looks at `target` twice a second, with alerts that wait for seconds, not minutes.
    `others` are more scrape configs.
    """
    config = yaml.safe_load((DEPLOYED / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    config["scrape_configs"] += others
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (folder / RULES.name).write_text(yaml.safe_dump(_hurried(RULES.read_text())))
    process = subprocess.Popen(
        [PROMETHEUS, f"--config.file={folder / 'prometheus.yaml'}",
         f"--storage.tsdb.path={folder / 'data'}", "--web.listen-address=127.0.0.1:0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if found := LISTENING.search(line):
                made = Prometheus(f"http://{found[1]}")
                until(made.ready)  # it listens before it answers
                yield made
                return
        raise AssertionError("".join(said))
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _hurried(text: str) -> dict[str, Any]:
    rules: dict[str, Any] = yaml.safe_load(text)
    for group in rules["groups"]:
        for rule in group["rules"]:
            if wait := rule.get("for"):
                assert wait.endswith("m"), wait
                rule["for"] = f"{int(wait[:-1]) * 60_000 // FASTER}ms"
    return rules
