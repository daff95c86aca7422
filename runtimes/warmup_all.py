"""Warms up every signature of a model, so that no client waits for the first call of any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runtimes.contract.messages import ModelSpec
from runtimes.functions import Function
from runtimes.warmup import warm_up


def warm_up_all(functions: Sequence[Function], spec: ModelSpec, passes: int) -> str:
    """Run every one of `functions`, the default first; says in a few words what was run.

    Samples are the default's; what the others are run with is made up. Raises LoadError.
    """
    default, *others = functions
    said = [warm_up(default.filled, spec, passes, default.limits.stretch)]
    without = replace(spec, warmup=(), warmup_files=())
    for one in others:
        if one.not_to_try:
            said.append(f"{one.name}: not run, {one.not_to_try}")
            continue
        said.append(f"{one.name}: {warm_up(one.filled, without, passes, one.limits.stretch)}")
    return "; ".join(said)
