"""Whether a TorchScript model can be replayed from CUDA graphs, and for which batch sizes.

A graph is a recording of kernels for inputs of one size, so every size must be known in advance.
"""

from __future__ import annotations

from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import DYNAMIC, Signature


def graph_sizes(spec: ModelSpec) -> tuple[int, ...]:
    """The rows to record graphs for; 0 stands for a model whose inputs have one size only."""
    return (spec.batching.allowed_sizes if spec.batching is not None else ()) or (0,)


def why_no_graphs(spec: ModelSpec, signature: Signature, *, on_gpu: bool) -> str:
    """What stands against graphs, in words that follow the option's name; "" where nothing does."""
    if not on_gpu:
        return "needs a CUDA device, and this worker runs on the CPU"
    batched = graph_sizes(spec) != (0,)
    for item in signature.inputs:
        if item.optional:
            return f"needs all inputs in every request, and input '{item.name}' is optional"
        if not batched and item.shape[:1] == (DYNAMIC,):
            return (
                f"needs fixed batch sizes, and input '{item.name}' has any number of rows; set "
                "batching.allowed_batch_sizes"
            )
        if DYNAMIC in item.shape[1:]:
            return (
                f"needs inputs of fixed sizes, and input '{item.name}' has shape "
                f"{list(item.shape)}; only the batch dimension may be -1"
            )
    return ""
