"""The requests that are sent, as the exact bytes of both protocols, made once."""

from __future__ import annotations

import numpy as np

from loadtests.samples.sample import Input, Sample
from loadtests.wire import oip_grpc, oip_rest
from runtimes.contract.tensor import Datatype

MODELS = ("digits-onnx", "digits-savedmodel", "digits-torchscript")
"""One model in three formats; the demo builds them."""

ROWS = (1, 4, 16)
SHARES = (0.7, 0.2, 0.1)
"""How many images a request holds, and how often."""


def _images(rows: int) -> Sample:
    images = np.random.default_rng(rows).random((rows, 1, 8, 8), np.float32)
    return Sample((Input("image", Datatype.FP32, images),), lambda _: "")


def rest_request(model: str, rows: int) -> bytes:
    """An inference over REST with binary tensors both ways, headers and all."""
    return oip_rest.binary(model, _images(rows)).raw("underway")


def grpc_request(model: str, rows: int) -> bytes:
    """The same as a serialised ModelInferRequest."""
    return oip_grpc.request(model, _images(rows))
