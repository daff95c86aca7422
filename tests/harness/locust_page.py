"""Locust's own page in Chromium: filled in, started, read and stopped as a person would."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.harness.browser import browser
from tests.harness.stores import free_port

COUNTED = ("# Requests", "# Fails")


class LocustPage:
    """The page while Locust runs; `complaints` are what the browser said of it."""

    def __init__(self, page: Any, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.set_default_timeout(30_000)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(origin)

    def fill(self, **fields: str) -> None:
        """Fields by the names that the form has for them, its hidden part among them."""
        self.page.get_by_role("button", name="Custom parameters").click()
        for name, value in fields.items():
            field = self.page.locator(f"[name={name}]")
            choose = field.evaluate("field => field.tagName") == "SELECT"
            (field.select_option if choose else field.fill)(value)

    def press(self, button: str) -> None:
        """One of its buttons."""
        self.page.get_by_role("button", name=button, exact=True).click()

    def until_status(self, status: str) -> None:
        """Wait until the head says so."""
        self.page.get_by_text(status).first.wait_for()

    def counts(self) -> dict[str, tuple[int, int]]:
        """Requests and failures by the protocol that the table of statistics shows."""
        names = self.page.locator("table thead th").all_inner_texts()
        columns = [names.index(name) for name in COUNTED]
        rows = [row.split("\t") for row in self.page.locator("table tbody tr").all_inner_texts()]
        whole = [row for row in rows if len(row) == len(names)]  # others are just being drawn
        return {row[0].strip() or row[1]: (*(int(row[at]) for at in columns),) for row in whole}


@contextlib.contextmanager
def locust_page(locustfile: Path, *arguments: str) -> Iterator[LocustPage]:
    """Locust with its page on a free port, and a browser that has opened it."""
    port = free_port()
    with browser() as chromium:
        running = subprocess.Popen(
            [sys.executable, "-m", "locust", "-f", str(locustfile), "--web-host", "127.0.0.1",
             "--web-port", str(port), *arguments],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/",
        )  # fmt: skip
        try:
            assert running.stderr is not None
            said = next((line for line in running.stderr if "Starting web interface" in line), "")
            assert said, "Locust ended before its page was there"
            yield LocustPage(chromium.new_page(), f"http://127.0.0.1:{port}/")
        finally:
            running.terminate()
            running.communicate(timeout=30)
