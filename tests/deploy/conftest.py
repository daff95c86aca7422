"""One Helm engine for all tests of a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.chart import Helm


@pytest.fixture(scope="session")
def helm() -> Iterator[Helm]:
    """The engine; `make .venvs/deploy/.ready` makes its environment, and so does `make test`."""
    engine = Helm()
    yield engine
    engine.close()
