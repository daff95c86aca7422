"""Many clients of both protocols at once, each with inputs of its own, get their own answers.

SECONDS is what the suite can spare; to look longer: UNDERWAY_TEST_SECONDS=60.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import httpx

from protos import inference_pb2 as pb
from tests.harness.onnx_models import save_scaling
from tests.harness.server_process import ServerProcess, serving

SECONDS = float(os.environ.get("UNDERWAY_TEST_SECONDS", "3"))
CLIENTS = 64
FACTOR = 2.0
INFER = "/inference.GRPCInferenceService/ModelInfer"
MODELS = ("joined", "filled")

Ask = Callable[[str, bytes, int], Awaitable[bytes]]


def _repository(root: Path) -> None:
    kinds = (({}, 2), ({"allowed_batch_sizes": [4, 16, 64]}, 1))
    for model, (batching, workers) in zip(MODELS, kinds, strict=True):
        save_scaling(root / model / "1", FACTOR)
        content = {"batching": batching, "max_batch_size": 64, "workers": workers}
        (root / model / "model.yaml").write_text(json.dumps(content))


async def _over_rest(client: httpx.AsyncClient, model: str, data: bytes, rows: int) -> bytes:
    tensor = {"name": "x", "datatype": "FP32", "shape": [rows, 2]}
    head = {
        "inputs": [tensor | {"parameters": {"binary_data_size": len(data)}}],
        "parameters": {"binary_data_output": True},
    }
    text = json.dumps(head).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))}
    answer = await client.post(f"/v2/models/{model}/infer", content=text + data, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content[int(answer.headers["inference-header-content-length"]) :]


async def _over_grpc(channel: grpc.aio.Channel, model: str, data: bytes, rows: int) -> bytes:
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[rows, 2])
    request = pb.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[data])
    payload: bytes = await channel.unary_unary(INFER)(request.SerializeToString(), timeout=60)
    return bytes(pb.ModelInferResponse.FromString(payload).raw_output_contents[0])


async def _client(number: int, ask: Ask, until: float) -> int:
    """Ask until then, and hold each answer against what this client alone has asked."""
    chance, count = random.Random(number), 0
    while time.monotonic() < until:
        rows = chance.choice((1, 1, 2, 5))
        # Multiplied exactly, and no other client has them.
        start = number * 100_000 + count * 10 % 100_000
        values = [float(start + at) for at in range(2 * rows)]
        found = await ask(MODELS[count % 2], struct.pack(f"<{2 * rows}f", *values), rows)
        assert struct.unpack(f"<{len(found) // 4}f", found) == tuple(v * FACTOR for v in values)
        count += 1
    return count


async def _all(server: ServerProcess, until: float) -> list[int]:
    limits = httpx.Limits(max_connections=CLIENTS)
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as client,
        grpc.aio.insecure_channel(server.grpc_address) as channel,
    ):

        def ask(number: int) -> Ask:
            if number % 2:
                return lambda model, data, rows: _over_grpc(channel, model, data, rows)
            return lambda model, data, rows: _over_rest(client, model, data, rows)

        return await asyncio.gather(
            *(_client(number, ask(number), until) for number in range(CLIENTS))
        )


def test_sixty_four_clients_of_both_protocols_get_their_own_answers(tmp_path):
    _repository(tmp_path)
    with serving(tmp_path, arguments=("--frontends", "2")) as server:
        counts = asyncio.run(_all(server, time.monotonic() + SECONDS))
        text = httpx.get(f"http://127.0.0.1:{server.metrics_port}/metrics").text

    assert min(counts) > 0
    # They did meet: there were fewer executions than requests.
    executions = sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("underway_batch_rows_count")
    )
    assert 0 < executions < sum(counts)
    print(f"{sum(counts)} requests in {executions:.0f} executions")
