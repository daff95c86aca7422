"""tritonclient at a server that wants a token: `access.py HTTP GRPC TOKEN`."""

from __future__ import annotations

import sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http

rest_address, grpc_address, token = sys.argv[1:]
row = np.array([[1.0, 2.0]], np.float32)
for kind, address in ((http, rest_address), (grpc, grpc_address)):
    client = kind.InferenceServerClient(address)
    wanted = kind.InferInput("x", row.shape, "FP32")
    wanted.set_data_from_numpy(row)
    shown = {"authorization": f"Bearer {token}"}
    assert client.is_server_ready(), kind
    assert client.is_model_ready("m", headers=shown), kind
    answer = client.infer("m", [wanted], headers=shown)
    assert np.array_equal(answer.as_numpy("x_out"), row), kind
    refused = ""
    try:
        client.infer("m", [wanted])
    except Exception as refusal:
        refused = str(refusal)
    assert "Authorization: Bearer TOKEN" in refused, (kind, refused)
print("all as it should be")
