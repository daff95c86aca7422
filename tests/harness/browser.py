"""Chromium at the console of a running server, with all that it asked for and complained of."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.harness.server_process import ROOT, ServerProcess

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = ROOT / ".venvs/axe/axe.min.js"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def browser() -> Iterator[Any]:
    """A Chromium without a window; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: as root, apt-get install chromium")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield found
        found.close()


class Console:
    """One page at a server's console."""

    def __init__(self, page: Any, server: ServerProcess) -> None:
        self.page = page
        self.origin = f"http://127.0.0.1:{server.metrics_port}"
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.set_default_timeout(30_000)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, model: str = "") -> Console:
        """Go to all models, or to one, and wait until it lives."""
        self.page.goto(f"{self.origin}/console/" + (f"#/models/{model}" if model else ""))
        self.page.locator("#link[data-state=live]").wait_for()
        if model:
            self.page.get_by_role("heading", name=model, exact=True).wait_for()
        return self

    def move_to(self, model: str) -> None:
        """From where it is to one model."""
        self.page.evaluate("name => { location.hash = `#/models/${name}`; }", model)
        self.page.get_by_role("heading", name=model, exact=True).wait_for()

    def run(self, words: str) -> str:
        """Press Run, and wait until the answer says `words`; all that it says."""
        self.page.get_by_role("button", name="Run").click()
        said = self.page.locator(".said", has_text=words)
        said.wait_for()
        return str(said.inner_text())

    def forgive(self, words: str) -> None:
        """Forget the complaints that say `words`, which there must be."""
        assert any(words in text for text in self.complaints)
        self.complaints = [text for text in self.complaints if words not in text]

    def faults(self) -> list[str]:
        """What axe-core finds that is serious or critical."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {json.dumps([node['html'] for node in one['nodes']])[:500]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


def grey_png(pixels: list[int], width: int) -> bytes:
    """A PNG of grey pixels, 0 to 255, row by row."""
    image = Image.new("L", (width, len(pixels) // width))
    image.putdata(pixels)
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def digits_sample(demo: Path) -> dict[str, Any]:
    """The digits sample that is told of beside the demo models."""
    return dict(json.loads((demo / ".underway-demo.json").read_text())["samples"]["digits"])
