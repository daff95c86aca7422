"""Requests run before a worker is ready, made from the samples in the model's settings."""

from __future__ import annotations

import random
import struct

from runtimes.contract.messages import ModelSpec, WarmupSample
from runtimes.contract.tensor import (
    Datatype,
    Tensor,
    TensorSpec,
    byte_size,
    element_count,
    pack_bytes,
)
from runtimes.runtime import LoadedModel, LoadError

_FLOATS = {Datatype.FP16: "e", Datatype.FP32: "f", Datatype.FP64: "d"}


def warm_up(model: LoadedModel, spec: ModelSpec) -> None:
    """Run every sample of `spec`; a sample that fails fails the load (LoadError)."""
    outputs = [output.name for output in model.signature.outputs]
    for sample in spec.warmup:
        tensors = _tensors(sample)
        for _ in range(sample.count):
            try:
                model.infer(tensors, outputs)
            except Exception as error:
                raise LoadError(f"warm-up '{sample.name}' failed: {error}") from error


def _tensors(sample: WarmupSample) -> list[Tensor]:
    # Seeded, so that a warm-up that fails once fails the same way again.
    generator = random.Random(sample.name)  # noqa: S311  # data, not secrets
    return [_tensor(spec, sample.fill, generator) for spec in sample.inputs]


def _tensor(spec: TensorSpec, fill: str, generator: random.Random) -> Tensor:
    count = element_count(spec.shape)
    size = byte_size(spec.datatype, spec.shape)
    if size is None:
        data = pack_bytes([b""] * count)
    elif fill == "zero":
        data = bytes(size)
    elif code := _FLOATS.get(spec.datatype):
        data = struct.pack(f"<{count}{code}", *(generator.random() for _ in range(count)))
    elif spec.datatype in (Datatype.BOOL, Datatype.BF16):
        # Random bits would not be valid booleans, and could be NaN as BF16.
        data = bytes(size)
    else:
        data = generator.randbytes(size)
    return Tensor(spec.name, spec.datatype, spec.shape, data)
