"""Trains, exports and checks all demo models; importing it imports every framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import sklearn
import tensorflow as tf
import torch
from numpy.typing import NDArray

from server.demo import (
    accuracy,
    digits,
    digits_data,
    export_language,
    export_onnx,
    export_savedmodel,
    export_torchscript,
    language,
    naming,
    parity,
    sentences,
)
from server.demo.digits_data import DigitsData

Say = Callable[[str], None]

DIGITS_EXPORTS = {
    naming.TORCHSCRIPT: export_torchscript.predict,
    naming.SAVEDMODEL: export_savedmodel.predict,
    naming.ONNX: export_onnx.predict,
}
SAMPLE_DIGIT = 7


def write_all(stage: Path, say: Say) -> dict[str, object]:
    """Write every model below the folder; the facts for the manifest. Raises DemoError when one
    is less accurate, or the exports less alike, than promised.
    """
    for model in naming.MODELS:
        (stage / model / naming.VERSION).mkdir(parents=True)
    digits_score, digits_parity, digits_sample = _write_digits(stage, say)
    language_score, language_sample = _write_language(stage, say)
    return {
        "frameworks": {
            "torch": torch.__version__,
            "tensorflow": tf.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "accuracy": {"digits": digits_score, "language": language_score},
        "parity": digits_parity,
        "samples": {"digits": digits_sample, "language": language_sample},
    }


def _write_digits(stage: Path, say: Say) -> tuple[float, dict[str, object], dict[str, object]]:
    data = digits_data.load()
    say(f"  digits: training a small CNN on {len(data.train_labels)} handwritten digits ...")
    network = digits.train(data)
    probabilities = digits.predict(network, data.test_images)
    answered = probabilities.argmax(axis=1).tolist()
    score = accuracy.checked("digits", data.test_labels.tolist(), answered)
    say(f"  digits: test accuracy {score:.1%} on {len(data.test_labels)} unseen digits.")

    weights = digits.weights_of(network)
    export_torchscript.export(network, stage / naming.TORCHSCRIPT / naming.VERSION)
    export_savedmodel.export(weights, stage / naming.SAVEDMODEL / naming.VERSION)
    export_onnx.export(weights, stage / naming.ONNX / naming.VERSION)
    found = _compare_exports(network, stage, data)
    say(
        f"  {', '.join(DIGITS_EXPORTS)}: one set of weights, answers differ by at most "
        f"{found['largest_difference']:.0e} (allowed: {parity.TOLERANCE:.0e})."
    )
    return score, found, _digits_sample(probabilities, data)


def _compare_exports(
    network: digits.DigitsNetwork, stage: Path, data: DigitsData
) -> dict[str, object]:
    batches = parity.batches_of(data.test_images)
    reference = [digits.predict(network, batch) for batch in batches]
    answers = {
        model: predict(stage / model / naming.VERSION, batches)
        for model, predict in DIGITS_EXPORTS.items()
    }
    from_torch: Mapping[str, float] = parity.differences(reference, answers)
    spread = float(np.max([parity.largest_spread(answers), *from_torch.values()]))
    parity.check(spread)
    return {
        "tolerance": parity.TOLERANCE,
        "batch_sizes": [*parity.BATCH_SIZES, len(data.test_images)],
        "largest_difference": spread,
        "difference_from_torch": from_torch,
    }


def _digits_sample(probabilities: NDArray[np.float32], data: DigitsData) -> dict[str, object]:
    """The unseen image that is most surely a seven. Pixels are sixteenths: exact as decimals."""
    sevens = np.where(data.test_labels == SAMPLE_DIGIT, probabilities[:, SAMPLE_DIGIT], 0)
    index = int(sevens.argmax())
    return {
        "image": data.test_images[index].ravel().tolist(),
        "label": SAMPLE_DIGIT,
        "probability": round(float(probabilities[index, SAMPLE_DIGIT]), 6),
    }


def _write_language(stage: Path, say: Say) -> tuple[float, dict[str, object]]:
    data = sentences.load()
    say(
        f"  language: training on {len(data.train_texts)} sentences in {', '.join(data.labels)} ..."
    )
    version_folder = stage / naming.LANGUAGE / naming.VERSION
    export_language.export(language.train(data), version_folder)
    # Judged as it will be served: from the file, in the graph.
    texts = [text.encode() for text in data.held_out_texts]
    labels, scores = export_language.predict(version_folder, texts)
    answered = [data.labels.index(label.decode()) for label in labels]
    score = accuracy.checked("language", data.held_out_classes, answered)
    say(f"  language: accuracy {score:.1%} on {len(texts)} held-out sentences.")
    surest = int(np.argmax(scores))
    sample = {
        "text": data.held_out_texts[surest],
        "label": labels[surest].decode(),
        "score": round(scores[surest], 6),
    }
    return score, sample
