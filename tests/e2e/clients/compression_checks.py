"""Compression: both ways over REST, and gRPC's own."""

from __future__ import annotations

import gzip
import json
import zlib
from http.client import HTTPConnection
from typing import Any

import numpy as np

from tests.e2e.clients.infer_checks import images
from tests.e2e.clients.registry import GRPC, HTTP, Checks

checks = Checks()


@checks.on(*HTTP)
async def requests_and_responses_may_be_compressed(t: Any) -> None:
    plain = (await t.infer("digits-onnx", t.input("image", images(64)))).as_numpy("probabilities")
    for request in (None, "gzip", "deflate"):
        for response in (None, "gzip", "deflate"):
            # Binary and large enough that the server does compress it.
            result = await t.infer(
                "digits-onnx",
                t.input("image", images(64)),
                request_compression_algorithm=request,
                response_compression_algorithm=response,
            )
            np.testing.assert_allclose(result.as_numpy("probabilities"), plain, atol=1e-6)


@checks.on(*HTTP)
async def compressed_json_passes_both_ways(t: Any) -> None:
    for coding in ("gzip", "deflate"):
        result = await t.infer(
            "digits-onnx",
            t.input("image", images(64), binary=False),
            outputs=[t.output("probabilities", binary=False)],
            request_compression_algorithm=coding,
            response_compression_algorithm=coding,
        )
        assert result.as_numpy("probabilities").shape == (64, 10)


@checks.on("http")
async def a_compressed_answer_really_is_one(t: Any) -> None:
    tensor = {"name": "image", "datatype": "FP32", "shape": [64, 1, 8, 8], "data": [0] * 4096}
    body = json.dumps({"inputs": [tensor]})
    for coding, unpack in (("gzip", gzip.decompress), ("deflate", zlib.decompress)):
        connection = HTTPConnection(t.address)
        path = "/v2/models/digits-onnx/infer"
        connection.request("POST", path, body, {"Accept-Encoding": coding})
        answer = connection.getresponse()
        assert answer.headers["Content-Encoding"] == coding
        packed = answer.read()
        told = json.loads(unpack(packed))
        assert told["outputs"][0]["shape"] == [64, 10]
        assert len(packed) < len(unpack(packed))
        connection.close()


@checks.on("http")
async def async_infer_may_be_compressed(t: Any) -> None:
    pending = t.client.async_infer(
        "digits-onnx",
        [t.input("image", images(64))],
        request_compression_algorithm="gzip",
        response_compression_algorithm="deflate",
    )
    assert pending.get_result().as_numpy("probabilities").shape == (64, 10)


@checks.on(*HTTP)
async def a_broken_compressed_body_is_refused(t: Any) -> None:
    headers = {"Content-Encoding": "gzip"}
    image = t.input("image", images(1))
    await t.refused(400, "gzip", "infer", "digits-onnx", [image], headers=headers)
    await t.refused(
        501,
        "unsupported Content-Encoding 'br'",
        "infer",
        "digits-onnx",
        [image],
        headers={"Content-Encoding": "br"},
    )


@checks.on(*GRPC)
async def grpc_messages_may_be_compressed(t: Any) -> None:
    plain = (await t.infer("digits-onnx", t.input("image", images(64)))).as_numpy("probabilities")
    for coding in ("gzip", "deflate"):
        image = t.input("image", images(64))
        result = await t.infer("digits-onnx", image, compression_algorithm=coding)
        np.testing.assert_allclose(result.as_numpy("probabilities"), plain, atol=1e-6)
