"""The language classifier as a SavedModel that takes strings and answers with strings."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from server.demo import ngrams
from server.demo.language import LanguageModel
from server.demo.naming import LABEL, SCORE, TEXT


def export(model: LanguageModel, version_folder: Path) -> None:
    """Write `saved_model.pb` and its variables: strings in, text processing in the graph."""
    module = tf.Module(name="language")
    module.weights = tf.Variable(model.weights)
    module.bias = tf.Variable(model.bias)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=TEXT)])  # type: ignore[untyped-decorator]
    def classify(text: tf.Tensor) -> dict[str, tf.Tensor]:
        buckets = ngrams.hashed(text)
        rows = tf.gather(module.weights, buckets)
        count = tf.cast(buckets.row_lengths(), tf.float32)
        logits = tf.reduce_sum(rows, axis=1) / tf.sqrt(count)[:, tf.newaxis] + module.bias
        probabilities = tf.nn.softmax(logits)
        best = tf.argmax(probabilities, axis=1)
        return {
            LABEL: tf.gather(tf.constant(model.labels), best),
            SCORE: tf.reduce_max(probabilities, axis=1),
        }

    module.classify = classify
    tf.saved_model.save(module, str(version_folder), signatures={"serving_default": classify})


def predict(version_folder: Path, texts: list[bytes]) -> tuple[list[bytes], list[float]]:
    """Load what was written and run its signature: labels and scores."""
    signature = tf.saved_model.load(str(version_folder)).signatures["serving_default"]
    answer = signature(**{TEXT: tf.constant(texts, dtype=tf.string, shape=[len(texts)])})
    return answer[LABEL].numpy().tolist(), answer[SCORE].numpy().tolist()
