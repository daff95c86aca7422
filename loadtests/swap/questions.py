"""The requests that are sent, as the exact bytes of both protocols, made once."""

from __future__ import annotations

import json

import numpy as np

from protos.inference_pb2 import ModelInferRequest

MODELS = ("digits-onnx", "digits-savedmodel", "digits-torchscript")
"""One model in three formats; the demo builds them."""

ROWS = (1, 4, 16)
SHARES = (0.7, 0.2, 0.1)
"""How many images a request holds, and how often."""

LENGTH = "Inference-Header-Content-Length"


def _images(rows: int) -> bytes:
    return np.random.default_rng(rows).random((rows, 1, 8, 8), np.float32).tobytes()


def rest_request(model: str, rows: int) -> bytes:
    """An inference over REST with binary tensors both ways, headers and all."""
    images = _images(rows)
    document = {
        "inputs": [
            {
                "name": "image",
                "datatype": "FP32",
                "shape": [rows, 1, 8, 8],
                "parameters": {"binary_data_size": len(images)},
            }
        ],
        "parameters": {"binary_data_output": True},
    }
    header = json.dumps(document).encode()
    lines = [
        f"POST /v2/models/{model}/infer HTTP/1.1",
        "Host: underway",
        f"{LENGTH}: {len(header)}",
        f"Content-Length: {len(header) + len(images)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + header + images


def grpc_request(model: str, rows: int) -> bytes:
    """The same as a serialised ModelInferRequest."""
    tensor = ModelInferRequest.InferInputTensor(
        name="image", datatype="FP32", shape=[rows, 1, 8, 8]
    )
    request = ModelInferRequest(
        model_name=model, inputs=[tensor], raw_input_contents=[_images(rows)]
    )
    return request.SerializeToString()
