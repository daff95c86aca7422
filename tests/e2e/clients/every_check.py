"""All checks of tritonclient, gathered from the modules that hold them."""

from __future__ import annotations

from tests.e2e.clients import (
    compression_checks,
    deadline_checks,
    infer_checks,
    query_checks,
    refusal_checks,
    stream_checks,
    strings_checks,
)
from tests.e2e.clients.registry import Check

_MODULES = (
    query_checks,
    refusal_checks,
    infer_checks,
    strings_checks,
    compression_checks,
    deadline_checks,
    stream_checks,
)


def checks_of(flavour: str) -> list[Check]:
    """The checks that hold for `flavour`."""
    return [one for module in _MODULES for one in module.checks if flavour in one.flavours]
