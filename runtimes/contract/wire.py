"""Messages to bytes and back.

A message travels as one frame (see `frames`): a JSON header, which is a list that starts with the
message's kind, and a body that holds the tensors' buffers one after another, each starting on a
16-byte boundary. Nothing is ever pickled; what does not fit the form raises ProtocolError.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from runtimes.contract.codes import Code
from runtimes.contract.messages import (
    Batching,
    Cancel,
    Connect,
    Failed,
    Infer,
    Load,
    LoadFailed,
    Message,
    ModelSpec,
    Padding,
    Ping,
    Pong,
    ProtocolError,
    Ready,
    Result,
    Stop,
    Timings,
    Warming,
    WarmupSample,
)
from runtimes.contract.tensor import MAX_RANK, Buffer, Datatype, Signature, Tensor, TensorSpec

ALIGNMENT = 16

_TIMINGS = Timings.__slots__

Fields = Any  # JSON from the other side: any misfit below becomes a ProtocolError in `decode`

_dumps = json.JSONEncoder(separators=(",", ":")).encode


def encode(message: Message) -> tuple[bytes, list[Buffer]]:
    """The header of `message` and the buffers that make up its body, already padded."""
    match message:
        case Infer(id=id_, inputs=inputs, outputs=outputs, deadline_ns=deadline, priority=p):
            described, body = _describe(inputs)
            header: list[object] = ["infer", id_, deadline, p, outputs, described]
        case Result(id=id_, outputs=tensors, timings=t):
            described, body = _describe(tensors)
            timings = [getattr(t, name) for name in _TIMINGS]
            header = ["result", id_, timings, described]
        case Failed(id=id_, code=code, message=text):
            header, body = ["failed", id_, code, text], []
        case Cancel(id=id_):
            header, body = ["cancel", id_], []
        case Connect():
            header, body = ["connect"], []
        case Ping():
            header, body = ["ping"], []
        case Pong(busy_ns=busy):
            header, body = ["pong", busy], []
        case Stop():
            header, body = ["stop"], []
        case Warming():
            header, body = ["warming"], []
        case Load(spec=spec):
            header, body = ["load", asdict(spec)], []
        case Ready():
            header, body = ["ready", asdict(message)], []
        case LoadFailed(reason=reason):
            header, body = ["load_failed", reason], []
    return _dumps(header).encode("ascii"), body


def decode(header: bytes, body: Buffer) -> Message:
    """The message in a frame; its tensors are views into `body`. Raises ProtocolError."""
    try:
        fields = json.loads(header)
        return _DECODERS[fields[0]](fields, memoryview(body))
    except (LookupError, RecursionError, TypeError, ValueError, AttributeError) as error:
        raise ProtocolError(f"malformed message: {type(error).__name__}: {error}") from error


def _describe(tensors: Sequence[Tensor]) -> tuple[list[object], list[Buffer]]:
    described: list[object] = []
    body: list[Buffer] = []
    for tensor in tensors:
        size = len(tensor.data)
        described.append((tensor.name, tensor.datatype, tensor.shape, size))
        body.append(tensor.data)
        if padding := -size % ALIGNMENT:
            body.append(bytes(padding))
    return described, body


def _tensors(described: Fields, body: memoryview) -> tuple[Tensor, ...]:
    tensors: list[Tensor] = []
    offset = 0
    for name, datatype, shape, size in described:
        if size < 0 or offset + size > len(body):
            raise ProtocolError(f"tensor '{name}' runs past the end of its frame")
        if len(shape) > MAX_RANK or any(dim < 0 for dim in shape):
            raise ProtocolError(f"tensor '{name}' has an impossible shape")
        data = body[offset : offset + size]
        tensors.append(Tensor(name, Datatype(datatype), tuple(shape), data))
        offset += size + -size % ALIGNMENT
    return tuple(tensors)


def _specs(items: Fields) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(item["name"], Datatype(item["datatype"]), tuple(item["shape"]), item["optional"])
        for item in items
    )


def _batching(fields: Fields) -> Batching:
    pad = fields["pad"]
    if pad is not None:
        pad = Padding(pad["value"], tuple(pad["buckets"]), pad["mask"])
    return Batching(fields["max_queue_delay_us"], tuple(fields["allowed_sizes"]), pad)


def _load(fields: Fields, _body: memoryview) -> Load:
    spec = dict(fields[1])
    batching = spec["batching"]
    spec |= {
        "inputs": _specs(spec["inputs"]),
        "outputs": _specs(spec["outputs"]),
        "batching": _batching(batching) if batching is not None else None,
        "warmup": tuple(
            WarmupSample(item["name"], _specs(item["inputs"]), item["fill"], item["count"])
            for item in spec["warmup"]
        ),
        "warmup_files": tuple(spec["warmup_files"]),
        "golden_files": tuple(spec["golden_files"]),
    }
    return Load(ModelSpec(**spec))


def _ready(fields: Fields, _body: memoryview) -> Ready:
    ready = dict(fields[1])
    signature = ready["signature"]
    ready["signature"] = Signature(_specs(signature["inputs"]), _specs(signature["outputs"]))
    return Ready(**ready)


def _infer(fields: Fields, body: memoryview) -> Infer:
    _, id_, deadline, priority, outputs, described = fields
    return Infer(id_, _tensors(described, body), tuple(outputs), deadline, priority)


def _result(fields: Fields, body: memoryview) -> Result:
    _, id_, timings, described = fields
    return Result(id_, _tensors(described, body), Timings(*timings))


_DECODERS: dict[str, Callable[[Fields, memoryview], Message]] = {
    "infer": _infer,
    "result": _result,
    "failed": lambda fields, _: Failed(fields[1], Code(fields[2]), str(fields[3])),
    "cancel": lambda fields, _: Cancel(fields[1]),
    "connect": lambda _fields, _body: Connect(),
    "ping": lambda _fields, _body: Ping(),
    "pong": lambda fields, _: Pong(int(fields[1])),
    "stop": lambda _fields, _body: Stop(),
    "warming": lambda _fields, _body: Warming(),
    "load": _load,
    "ready": _ready,
    "load_failed": lambda fields, _: LoadFailed(str(fields[1])),
}
