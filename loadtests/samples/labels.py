"""Samples whose right answer is known: handwritten digits, and sentences in five languages."""

from __future__ import annotations

import numpy as np

from loadtests.samples.sample import Answers, Check, Input, Sample
from runtimes.contract.tensor import Datatype, Signature
from server.demo import naming

COUNT = 32
"""Questions per model: enough that caches of a processor do not hold them all in one line."""


def digits(rows: int) -> list[Sample]:
    """`rows` images each (FP32 [rows, 1, 8, 8]) from those that the demo model never saw."""
    from server.demo import digits_data

    data = digits_data.load()
    samples = []
    for start in range(COUNT):
        chosen = (np.arange(rows) + start * rows) % len(data.test_labels)
        image = Input(naming.IMAGE, Datatype.FP32, data.test_images[chosen])
        samples.append(Sample((image,), digits_are(data.test_labels[chosen].tolist())))
    return samples


def texts(rows: int) -> list[Sample]:
    """`rows` sentences each (BYTES [rows]) from those that the demo model never saw."""
    from server.demo import sentences

    data = sentences.load()
    samples = []
    for start in range(COUNT):
        chosen = [(start * rows + row) % len(data.held_out_texts) for row in range(rows)]
        text = [data.held_out_texts[index].encode() for index in chosen]
        wanted = [data.labels[data.held_out_classes[index]].encode() for index in chosen]
        inputs = (Input(naming.TEXT, Datatype.BYTES, np.array(text, object)),)
        samples.append(Sample(inputs, languages_are(wanted)))
    return samples


def digits_are(labels: list[int]) -> Check:
    """The most probable class of every row is its label, and each row's probabilities add up."""

    def check(answers: Answers) -> str:
        found = answers.get(naming.PROBABILITIES)
        if found is None or found.shape != (len(labels), 10):
            return f"expected {naming.PROBABILITIES} of shape [{len(labels)}, 10]"
        if not np.allclose(found.sum(axis=1), 1.0, atol=1e-3):
            return f"the {naming.PROBABILITIES} do not add up to 1"
        return _compared("digits", found.argmax(axis=1).tolist(), labels)

    return check


def languages_are(labels: list[bytes]) -> Check:
    """The label of every row is this one."""

    def check(answers: Answers) -> str:
        found = answers.get(naming.LABEL)
        if found is None or found.shape != (len(labels),):
            return f"expected {naming.LABEL} of shape [{len(labels)}]"
        return _compared("languages", found.tolist(), labels)

    return check


def _compared(what: str, found: list[int] | list[bytes], wanted: list[int] | list[bytes]) -> str:
    return "" if found == wanted else f"wrong {what}: expected {wanted}, got {found}"


def known(signature: Signature, rows: int) -> list[Sample]:
    """Labelled samples for a model with the signature of one of the demo's; none for others."""
    inputs = {(spec.name, spec.datatype, spec.shape) for spec in signature.inputs}
    outputs = {spec.name for spec in signature.outputs}
    image = (naming.IMAGE, Datatype.FP32, tuple(naming.IMAGE_SHAPE))
    if inputs == {image} and naming.PROBABILITIES in outputs:
        return digits(rows)
    if inputs == {(naming.TEXT, Datatype.BYTES, (-1,))} and naming.LABEL in outputs:
        return texts(rows)
    return []
