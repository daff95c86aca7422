"""The requests that are sent, as exact bytes, and the reading of their answers."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc
import httpx
import numpy as np
from numpy.typing import NDArray

from loadtests.bench.models import Model
from protos.inference_pb2 import ModelInferRequest, ModelInferResponse

PROTOCOLS = ("rest-json", "rest-binary", "grpc")
LENGTH = "Inference-Header-Content-Length"
INFER = "/inference.GRPCInferenceService/ModelInfer"
LARGEST = 64 * 2**20
TIMEOUT = 30.0

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `body` is the HTTP body, or the message without gRPC's framing."""

    protocol: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def framed(self) -> bytes:
        """A gRPC message with its length before it, as HTTP/2 carries it."""
        return b"\0" + struct.pack(">I", len(self.body)) + self.body


def request_for(model: Model, protocol: str) -> Request:
    """The model's question in one protocol."""
    rows = model.question()
    if protocol == "grpc":
        return Request(protocol, INFER, _message(model, rows))
    path = f"/v2/models/{model.name}/infer"
    tensor = {"name": model.input, "datatype": "FP32", "shape": rows.shape}
    if protocol == "rest-json":
        # Numbers as people write them: 0.123, not the 0.12300000339746475 of a float in a double.
        data = [float(f"{value:.3f}") for value in rows.reshape(-1).tolist()]
        body = json.dumps({"inputs": [{**tensor, "data": data}]}, separators=(",", ":"))
        return Request(protocol, path, body.encode(), {"Content-Type": "application/json"})
    raw = rows.tobytes()
    document = {
        "parameters": {"binary_data_output": True},
        "inputs": [{**tensor, "parameters": {"binary_data_size": len(raw)}}],
    }
    head = json.dumps(document).encode()
    headers = {LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}
    return Request(protocol, path, head + raw, headers)


def ask(request: Request, address: str) -> tuple[bytes, Array]:
    """Send `request`; the answer's body, and its one output as a flat array.

    Raises httpx.HTTPError, grpc.RpcError, or ValueError for an answer that cannot be read.
    """
    if request.protocol == "grpc":
        return _ask_grpc(request, address)
    url = f"http://{address}{request.path}"
    answer = httpx.post(url, content=request.body, headers=dict(request.headers), timeout=TIMEOUT)
    answer.raise_for_status()
    if request.protocol == "rest-json":
        (output,) = answer.json()["outputs"]
        return answer.content, np.array(output["data"], np.float32).reshape(-1)
    head = int(answer.headers[LENGTH])
    return answer.content, np.frombuffer(answer.content[head:], np.float32)


def _ask_grpc(request: Request, address: str) -> tuple[bytes, Array]:
    options = [("grpc.max_receive_message_length", LARGEST)]
    with grpc.insecure_channel(address, options) as channel:
        call = channel.unary_unary(request.path, None, None)  # bytes to bytes
        body: bytes = call(request.body, timeout=TIMEOUT)
    (raw,) = ModelInferResponse.FromString(body).raw_output_contents
    return body, np.frombuffer(raw, np.float32)


def _message(model: Model, rows: Array) -> bytes:
    message = ModelInferRequest(model_name=model.name, raw_input_contents=[rows.tobytes()])
    message.inputs.add(name=model.input, datatype="FP32", shape=rows.shape)
    return message.SerializeToString()
