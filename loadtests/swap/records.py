"""Every answer as one row of a table: what the generators recorded, with models and rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import recfunctions
from numpy.typing import NDArray

from loadtests.generator import records as raw
from loadtests.generator.health import Health, health_of, worst
from loadtests.swap.questions import ROWS

PROTOCOLS = ("rest", "grpc")

COLUMNS = ("protocol", "model", "rows")
"""Added to the generators' columns: indices into PROTOCOLS and the models, and a batch size."""


@dataclass(frozen=True, slots=True)
class Records:
    """All answers, and the different texts of the failures among them."""

    table: NDArray[Any]
    failures: tuple[str, ...]
    health: Health

    def save(self, path: Path) -> None:
        """Write them to a file."""
        np.savez(path, table=self.table, failures=np.array(self.failures, dtype=str))


def joined(found: Mapping[str, raw.Records], models: tuple[str, ...]) -> Records:
    """The records of several generators, by protocol, as one, by the intended moment.

    Requests are numbered by model, then by ROWS.
    """
    tables, failures = [], list[str]()
    for protocol, records in found.items():
        table = records.table
        table["failure"][table["failure"] >= 0] += len(failures)
        failures += records.failures
        model, rows = np.divmod(table["request"], len(ROWS))
        assert not len(model) or model.max() < len(models)  # noqa: S101
        columns = (
            np.full(len(table), PROTOCOLS.index(protocol), "u1"),
            model.astype("u1"),
            np.array(ROWS, "u1")[rows],
        )
        tables.append(recfunctions.append_fields(table, COLUMNS, columns, usemask=False))
    table = np.concatenate(tables)
    health = worst([health_of(records) for records in found.values()])
    return Records(table[np.argsort(table["intended"])], tuple(failures), health)
