"""What tests of several kinds share: the demo models, built once and kept between runs."""

from __future__ import annotations

import fcntl
import logging
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from tests.harness.server_process import ROOT, ServerProcess, serving

# How long an example takes says something about the machine, not about the code.
hypothesis.settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-machine")


def log_plainly() -> None:
    """Tracebacks as the server has them: structlog's pretty ones take seconds to draw."""
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


log_plainly()


_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_FAILED] = report.when == "call" and report.failed
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """What a module's tests share is made anew after one that failed: what it left half done would
    make its next run fail as well, whatever had made it fail. What could not be set up is not
    tried again by each test.
    """
    if item.stash.get(_FAILED, False):
        item.session._setupstate.teardown_exact(item.session)
    try:
        return (yield)
    except BaseException:
        item.session._setupstate.teardown_exact(item.session)
        raise


@pytest.fixture(autouse=True)
def no_names_in_logs() -> Iterator[None]:
    """What a failed request has bound in its task, a test without a task has bound for all."""
    yield
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """For a test that says how this process logs: it does so no longer than that."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    log_plainly()


@pytest.fixture(scope="session")
def demo_repository() -> Path:
    """The demo model repository, the one `make demo` builds; rebuilt when its code changed."""
    folder = ROOT / ".demo/models"
    folder.parent.mkdir(exist_ok=True)
    # The processes that share the tests build it one at a time: the first does, the others find it.
    with (folder.parent / "building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = subprocess.run(
            [sys.executable, "-m", "server.demo", str(folder)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module", params=["1", "2"], ids=["one-frontend", "two-frontends"])
def frontends(request) -> tuple[str, ...]:
    """Flags: what clients see must not depend on how many frontends there are."""
    return ("--frontends", request.param)


@pytest.fixture(scope="module", params=["python", "envoy"], ids=["one-frontend", "two-in-envoy"])
def carriers(request) -> tuple[str, ...]:
    """Flags: nor on what carries them."""
    return ("--frontend", request.param, "--frontends", "1" if request.param == "python" else "2")


@pytest.fixture(scope="session")
def demo_server(demo_repository: Path) -> Iterator[ServerProcess]:
    """One server over the demo models for all tests that only ask it things."""
    with serving(demo_repository) as server:
        yield server
