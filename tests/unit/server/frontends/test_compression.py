"""Answers are compressed when asked for, and only then."""

from __future__ import annotations

import gzip
import zlib

import orjson
import pytest

from server.frontends.compression import compress, negotiate
from tests.unit.server.frontends.rest_double import Planes, client_of

INFER = "/v2/models/every/infer"
UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress}


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate", "gzip"),
        ("deflate, gzip", "gzip"),
        ("gzip;q=0.2, deflate;q=0.8", "deflate"),
        ("gzip;q=0", None),
        ("gzip;q=0, deflate", "deflate"),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity, gzip", "gzip"),
        ("br", None),
        ("*", None),
        ("gzip;q=nonsense", None),
        ("gzip;q=nan", None),
        (";;;,,=", None),
    ],
)
def test_the_coding_follows_the_clients_wishes(accept, coding):
    assert negotiate(accept) == coding


@pytest.mark.parametrize("coding", UNPACK)
@pytest.mark.parametrize("size", [10, 400_000])
async def test_parts_are_joined_and_compressed(coding, size):
    parts = [b"head", memoryview(b"x" * size), bytearray(b"end")]
    assert UNPACK[coding](await compress(parts, coding)) == b"head" + b"x" * size + b"end"


def document(count: int) -> dict:
    tensor = {"name": "INT32", "datatype": "INT32", "shape": [count], "data": list(range(count))}
    return {"inputs": [tensor]}


@pytest.mark.parametrize("coding", UNPACK)
@pytest.mark.parametrize("binary", [True, False])
async def test_an_answer_is_compressed_when_asked_for(coding, binary):
    body = document(1000) | {"parameters": {"binary_data_output": binary}}
    async with client_of(Planes()) as client:
        plain = await client.post(INFER, json=body)
        packed = await client.post(INFER, json=body, headers={"Accept-Encoding": coding})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == coding
    assert int(packed.headers["content-length"]) < len(plain.content)
    assert packed.content == plain.content  # httpx unpacks
    name = "inference-header-content-length"
    assert packed.headers.get(name) == plain.headers.get(name)


async def test_a_small_answer_is_sent_as_it_is():
    async with client_of(Planes()) as client:
        answer = await client.post(INFER, json=document(3), headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_request_with_a_tail_is_understood(coding, pack):
    tensor = {"name": "INT8", "datatype": "INT8", "shape": [2]}
    head = orjson.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": 2}}]})
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Encoding": coding}
    async with client_of(Planes()) as client:
        answer = await client.post(INFER, content=pack(head + b"\1\2"), headers=headers)
    assert answer.json()["outputs"][0]["data"] == [1, 2]


async def test_an_unsupported_encoding_is_501_and_names_those_that_are():
    async with client_of(Planes()) as client:
        answer = await client.post(INFER, content=b"x", headers={"Content-Encoding": "br"})
    assert answer.status_code == 501
    assert answer.headers["accept-encoding"] == "gzip, deflate"
    assert "unsupported Content-Encoding 'br'" in answer.json()["error"]


async def test_a_decompression_bomb_is_413():
    bomb = gzip.compress(b" " * 10 * 2**20)
    async with client_of(Planes()) as client:
        answer = await client.post(INFER, content=bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    assert "--max-message-bytes" in answer.json()["error"]
