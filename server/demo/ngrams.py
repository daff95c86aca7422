"""Text to hashed character n-grams inside a TensorFlow graph, the same in training and serving."""

from __future__ import annotations

import tensorflow as tf

BUCKETS = 1 << 14
# Chosen by cross-validation on the training sentences alone.
WIDTHS = [2, 3]
# Apostrophes and the opening Spanish marks tell a language as letters do.
IGNORED = r"[^\pL\pM¿¡'\x{2019}]+"
# A language shows long before this, and memory per text stays bounded.
LONGEST_TEXT_BYTES = 2000


def hashed(text: tf.Tensor) -> tf.RaggedTensor:
    """Strings [n] to bucket numbers, ragged int64 [n, any].

    Any bytes are accepted: invalid UTF-8 becomes U+FFFD, and what tells nothing becomes a space.
    Every text has at least one n-gram, even the empty one (its two spaces).
    """
    text = tf.strings.substr(text, 0, LONGEST_TEXT_BYTES, unit="BYTE")
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
    text = tf.strings.lower(text, encoding="utf-8")
    text = tf.strings.regex_replace(text, IGNORED, " ")
    text = tf.strings.join([" ", tf.strings.strip(text), " "])
    characters = tf.strings.unicode_split(text, "UTF-8", errors="replace")
    grams = tf.strings.ngrams(characters, WIDTHS, separator="")
    return tf.ragged.map_flat_values(tf.strings.to_hash_bucket_fast, grams, BUCKETS)
