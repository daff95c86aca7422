"""Messages survive any cutting of the byte stream, and nothing malformed passes for one."""

import contextlib
import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtimes.contract.codes import Code
from runtimes.contract.frames import MAX_HEADER, FrameReader, frame
from runtimes.contract.messages import (
    Batching,
    Cancel,
    Failed,
    Infer,
    Load,
    LoadFailed,
    Message,
    ModelSpec,
    Ping,
    Pong,
    Profile,
    Profiled,
    ProtocolError,
    Ready,
    Result,
    Stop,
    Timings,
    Warming,
    WarmupSample,
)
from runtimes.contract.tensor import Datatype, NamedSignature, Signature, Tensor, TensorSpec

IMAGE = Tensor("image", Datatype.FP32, (1, 1, 8, 8), bytes(range(256)))
WORDS = Tensor("text", Datatype.BYTES, (1,), b"\x03\x00\x00\x00abc")
LARGE = Tensor("large", Datatype.UINT8, (200_000,), bytes(200_000))
EMPTY = Tensor("none", Datatype.FP32, (0, 4), b"")
SPEC = TensorSpec("image", Datatype.FP32, (-1, 1, 8, 8))
NAMED = NamedSignature(Signature((SPEC,), (SPEC,)), 8, "pets", "tensorflow/serving/classify")

MESSAGES: list[Message] = [
    Load(ModelSpec("m", 3, "onnx", "/x")),
    Load(
        ModelSpec(
            "m",
            3,
            "torchscript",
            "/x",
            device="cuda:1",
            precision="tf32",
            threads=4,
            inputs=(SPEC,),
            outputs=(TensorSpec("label", Datatype.BYTES, (-1,), optional=True),),
            max_batch_size=8,
            batching=Batching(500, usual_rows=9),
            warmup=(
                WarmupSample("w", (TensorSpec("image", Datatype.FP32, (1, 2)),), "random", 3, "a"),
            ),
            warmup_files=("/a.npz",),
            golden_files=("/b.npz", "/c.npz"),
            options={"freeze": True, "level": 2, "mode": "fast", "share": 0.5},
        )
    ),
    Infer(1, (IMAGE, WORDS, EMPTY), ("label",), 123),
    Infer(2, (LARGE,)),
    Infer(3, (IMAGE,), signature="pets"),
    Cancel(9),
    Ping(),
    Pong(12),
    Profile(20, 1.5, 64),
    Profiled("x.json", b"trace"),
    Profiled(code=Code.UNSUPPORTED, message="none"),
    Warming(),
    Stop(),
    Ready((NamedSignature(Signature((SPEC,), (SPEC,)), 64),), "cpu", 10, 20, {"framework": "x"}),
    Ready((NAMED, NamedSignature(Signature((SPEC,), ()), 0, "other")), "cpu", 10, 20),
    LoadFailed("the file is cut off \u00e9 \udcff"),
    Result(7, (IMAGE, EMPTY), Timings(1, 2, 3, 4, 5, False)),
    Failed(8, Code.DEADLINE_EXCEEDED, "too late"),
]


def _read(stream: bytes, sizes: list[int]) -> list[Message]:
    reader, messages, offset = FrameReader(), [], 0
    while offset < len(stream):
        size = sizes[len(messages) % len(sizes)]
        buffer = reader.buffer()
        count = min(size, len(buffer), len(stream) - offset)
        buffer[:count] = stream[offset : offset + count]
        offset += count
        messages += reader.received(count)
    return messages


@settings(max_examples=60, deadline=None)
@given(
    chosen=st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=6),
    sizes=st.lists(st.sampled_from([1, 7, 12, 300, 4096, 70_000, 10**6]), min_size=1, max_size=5),
)
def test_messages_survive_any_cutting_of_the_stream(chosen, sizes):
    if min(sizes) == 1 and any(m == Infer(2, (LARGE,)) for m in chosen):
        sizes = [300, *sizes[1:]]
    stream = b"".join(bytes(buffer) for message in chosen for buffer in frame(message))

    assert _read(stream, sizes) == chosen


def test_a_received_tensor_is_writable_and_starts_on_a_boundary():
    stream = b"".join(bytes(b) for b in frame(Infer(1, (WORDS, IMAGE))))

    (message,) = _read(stream, [10**6])

    assert isinstance(message, Infer)
    image = message.inputs[1].data
    assert isinstance(image, memoryview)
    assert not image.readonly
    base = message.inputs[0].data.obj  # type: ignore[union-attr]
    assert bytes(base).index(IMAGE.data) % 16 == 0


def _raw(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<IQ", len(text), len(body)) + text + body


@pytest.mark.parametrize(
    "stream",
    [
        _raw(b"not json"),
        _raw([]),
        _raw(b"[" * 100_000),
        _raw({}),
        _raw(["eval", "1"]),
        _raw(["infer", 1]),
        _raw(["infer", 1, 0, [], [["x", "FP32", [1], 4]]]),
        _raw(["infer", 1, 0, [], [["x", "FP32", [1], -4]]], b"1234"),
        _raw(["infer", 1, 0, [], [["x", "FP32", [-1], 4]]], b"1234"),
        _raw(["infer", 1, 0, [], [["x", "FP32", [1] * 17, 4]]], b"1234"),
        _raw(["infer", 1, 0, [], [["x", "FLOAT", [1], 4]]], b"1234"),
        _raw(["result", 1, [1, 2, 3], 1, True, []]),
        _raw(["failed", 1, "NO_SUCH_CODE", "x"]),
        _raw(["load", {"model": "m"}]),
        _raw(["ready", {"signature": {}}]),
        struct.pack("<IQ", MAX_HEADER + 1, 0),
        struct.pack("<IQ", 4, 2**41),
    ],
)
def test_a_malformed_frame_is_refused(stream):
    with pytest.raises(ProtocolError):
        _read(stream, [10**6])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_random_headers_never_raise_anything_but_a_protocol_error(header):
    with contextlib.suppress(ProtocolError):
        _read(_raw(header), [10**6])
