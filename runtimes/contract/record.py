"""Frozen dataclasses of which several are made for every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Made = TypeVar("Made")


@dataclass_transform(frozen_default=True)
def record(made: type[Made]) -> type[Made]:
    """A dataclass with slots whose fields nobody may set: the type checker sees to it.

    At run time they could be. To forbid that there too makes each of them cost four times as much
    to make, and a request makes a dozen.
    """
    return dataclass(slots=True, unsafe_hash=True)(made)
