"""The language classifier: which of five languages a short text is in, from its letters alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from server.demo import ngrams
from server.demo.sentences import Sentences

# Little regularisation: thousands of rare n-grams, each seen a few times, have to count together.
INVERSE_REGULARISATION = 10.0


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """`weights` FP32 [buckets, labels], `bias` FP32 [labels]; a text scores
    softmax(sum of its n-grams' weights / sqrt(their count) + bias).
    """

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]


def train(sentences: Sentences) -> LanguageModel:
    """Fit a multinomial logistic regression on the training sentences; it has one optimum."""
    regression = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=1000)
    regression.fit(_features(sentences.train_texts), sentences.train_classes)
    return LanguageModel(
        labels=sentences.labels,
        weights=np.ascontiguousarray(regression.coef_.T, dtype=np.float32),
        bias=regression.intercept_.astype(np.float32),
    )


def _features(texts: list[str]) -> csr_matrix:
    """How often each bucket occurs, over the square root of the text's number of n-grams."""
    buckets = ngrams.hashed([text.encode() for text in texts])
    lengths = buckets.row_lengths().numpy()
    rows = np.repeat(np.arange(len(texts)), lengths)
    values = np.repeat(1.0 / np.sqrt(lengths), lengths)
    return csr_matrix(
        (values, (rows, buckets.flat_values.numpy())), shape=(len(texts), ngrams.BUCKETS)
    )
