"""What an architecture is: its inputs, its output, how it computes, and questions to compare by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from server.demo.bench.ops import Ops, T

Question = Mapping[str, NDArray[Any]]
"""Input arrays by name."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or the output; its first dimension is the batch, -1."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Architecture(Protocol):
    """A network of any format."""

    @property
    def name(self) -> str:
        """What its models' names begin with."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """In the order of its arguments."""

    @property
    def output(self) -> Port:
        """FP32."""

    def answer(self, ops: Ops[T], inputs: Mapping[str, T]) -> T:
        """Compute the output with `ops`."""

    def question(self, rows: int) -> Question:
        """`rows` inputs, the same on every call."""
