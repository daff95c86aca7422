"""Names and shapes of the demo models, as every export and every client sees them."""

from __future__ import annotations

TORCHSCRIPT = "digits-torchscript"
SAVEDMODEL = "digits-savedmodel"
ONNX = "digits-onnx"
LANGUAGE = "language"
MODELS = (TORCHSCRIPT, SAVEDMODEL, ONNX, LANGUAGE)
VERSION = "1"

IMAGE = "image"
IMAGE_SHAPE = [-1, 1, 8, 8]
PROBABILITIES = "probabilities"
PROBABILITIES_SHAPE = [-1, 10]

TEXT = "text"
LABEL = "label"
SCORE = "score"
