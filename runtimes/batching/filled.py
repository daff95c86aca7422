"""A model that is asked as the worker will ask it: alone, but filled up like any batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from runtimes.batching.assemble import join, split
from runtimes.batching.decide import Limits
from runtimes.batching.padding import padded_rows
from runtimes.contract.tensor import Signature, Tensor
from runtimes.runtime import LoadedModel


class Filled:
    """`model` behind `limits`, for what runs before there are requests; a LoadedModel itself."""

    def __init__(self, model: LoadedModel, limits: Limits) -> None:
        self._model = model
        self._limits = limits

    @property
    def signature(self) -> Signature:
        """The signature as clients see it: the mask is made here where a request brings none."""
        stretch, found = self._limits.stretch, self._model.signature
        mask = stretch.padding.mask if stretch is not None else ""
        inputs = [replace(one, optional=one.optional or one.name == mask) for one in found.inputs]
        return Signature(tuple(inputs), found.outputs)

    @property
    def max_batch_size(self) -> int:
        """As the model has it."""
        return self._model.max_batch_size

    @property
    def device(self) -> str:
        """As the model has it."""
        return self._model.device

    @property
    def facts(self) -> Mapping[str, str]:
        """As the model has them."""
        return self._model.facts

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> Sequence[Tensor]:
        """One request's answer, nothing of the filling left in it."""
        stretch, asked = self._limits.stretch, tuple(inputs)
        ran = stretch.fill([asked])[0] if stretch is not None else asked
        rows = asked[0].shape[0] if self._limits.allowed_rows and asked else 0
        more = padded_rows(rows, self._limits.allowed_rows) - rows if rows else 0
        found = self._model.infer(join([ran], rows + more), outputs)
        share = split(found, [rows, more])[0] if more else tuple(found)
        return stretch.cut(share, asked, ran) if stretch is not None else share
