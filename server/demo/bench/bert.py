"""BERT's encoder with its pooler, for sequences of one length.

The architecture is that of Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers
for Language Understanding" (2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from server.demo.bench.architecture import Port, Question
from server.demo.bench.ops import Ops, T

KINDS = 2


@dataclass(frozen=True, slots=True)
class Bert:
    """INT64 ids, mask and types [n, length] to the pooled first position [n, size]."""

    name: str
    layers: int
    size: int
    heads: int
    inner: int
    vocabulary: int
    length: int

    @property
    def inputs(self) -> tuple[Port, ...]:
        """As tokenizers name them."""
        names = ("input_ids", "attention_mask", "token_type_ids")
        return tuple(Port(name, "INT64", (-1, self.length)) for name in names)

    @property
    def output(self) -> Port:
        """What a classifier would go on from."""
        return Port("pooled", "FP32", (-1, self.size))

    def answer(self, ops: Ops[T], inputs: Mapping[str, T]) -> T:
        """The pooled first position."""
        x = ops.embedding(inputs["input_ids"], "words", self.vocabulary, self.size)
        x = ops.add(x, ops.embedding(inputs["token_type_ids"], "types", KINDS, self.size))
        x = ops.positions(x, "positions", self.length, self.size)
        x = ops.layer_norm(x, "embeddings", self.size)
        bias = ops.mask_bias(inputs["attention_mask"], self.length)
        for layer in range(self.layers):
            x = self._layer(ops, x, bias, f"layer.{layer}")
        return ops.tanh(ops.dense(ops.first(x), "pooler", self.size, self.size))

    def question(self, rows: int) -> Question:
        """Random ids; a different part of each row is padding."""
        random = np.random.default_rng(rows)
        shape = (rows, self.length)
        lengths = random.integers(self.length // 2, self.length + 1, (rows, 1))
        return {
            "input_ids": random.integers(0, self.vocabulary, shape),
            "attention_mask": (np.arange(self.length) < lengths).astype(np.int64),
            "token_type_ids": random.integers(0, KINDS, shape),
        }

    def _layer(self, ops: Ops[T], x: T, bias: T, name: str) -> T:
        each = self.size // self.heads
        q, k, v = (
            ops.heads(
                ops.dense(x, f"{name}.{part}", self.size, self.size), self.length, self.heads, each
            )
            for part in ("query", "key", "value")
        )
        attended = ops.join(ops.attend(q, k, v, bias, each**-0.5), self.length, self.size)
        attended = ops.dense(attended, f"{name}.attended", self.size, self.size)
        x = ops.layer_norm(ops.add(x, attended), f"{name}.norm1", self.size)
        y = ops.gelu(ops.dense(x, f"{name}.inner", self.size, self.inner))
        y = ops.dense(y, f"{name}.outer", self.inner, self.size)
        return ops.layer_norm(ops.add(x, y), f"{name}.norm2", self.size)
