"""PyTorch between host and GPU: pinned memory, copies that nobody waits for, recorded graphs."""

from __future__ import annotations

from collections.abc import Sequence

import torch

Shapes = tuple[tuple[int, ...], ...]

WARM_CALLS = 3
"""Before a recording: TorchScript compiles with what it found in the first call."""


def shapes_of(values: Sequence[torch.Tensor]) -> Shapes:
    """The shape of each."""
    return tuple(tuple(value.shape) for value in values)


def pinned(value: torch.Tensor) -> torch.Tensor:
    """A copy of `value`, which is on the host, that a GPU reads by itself.

    PyTorch keeps such memory, and gives it out again once the copies from it are over.
    """
    return torch.empty(value.shape, dtype=value.dtype, pin_memory=True).copy_(value)


def to_host(values: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """All of `values`, which are in one piece each, on the host, after one wait for the device."""
    found = [torch.empty(one.shape, dtype=one.dtype, pin_memory=True) for one in values]
    for target, one in zip(found, values, strict=True):
        target.copy_(one, non_blocking=True)
    torch.cuda.current_stream().synchronize()
    return found


class Graph:
    """The kernels of one call for inputs of one size, launched again all at once.

    Each call writes to the same memory: its outputs must be copied before the next.
    """

    def __init__(
        self, graph: torch.cuda.CUDAGraph, inputs: Sequence[torch.Tensor], outputs: object
    ) -> None:
        self._graph = graph
        self._inputs = inputs
        self._outputs = outputs

    @classmethod
    def record(
        cls,
        module: torch.jit.ScriptModule,
        inputs: Sequence[torch.Tensor],
        shared: Graph | None = None,
    ) -> Graph:
        """Record a call with `inputs`, which are on the device and kept; memory may be `shared`.

        Graphs that share memory must not be replayed at the same time.
        """
        with torch.inference_mode():
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_CALLS):
                    module(*inputs)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            pool = shared._graph.pool() if shared is not None else None
            with torch.cuda.graph(graph, pool=pool):
                outputs = module(*inputs)
        return cls(graph, inputs, outputs)

    def replay(self, inputs: Sequence[torch.Tensor]) -> object:
        """What the recorded call returns for `inputs`, which may be in pinned memory."""
        for target, value in zip(self._inputs, inputs, strict=True):
            target.copy_(value, non_blocking=True)
        self._graph.replay()
        return self._outputs
