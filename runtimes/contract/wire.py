"""Messages to bytes and back.

A message travels as one frame (see `frames`): a header, which is a JSON list that starts with the
message's kind (but for the two in `hot`), and a body that holds the tensors' buffers one after
another, each starting on a 16-byte boundary. Nothing is ever pickled; what does not fit the form
raises ProtocolError.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

from runtimes.contract.codes import Code
from runtimes.contract.hot import (
    INFER,
    RESULT,
    At,
    Place,
    decode_infer,
    decode_result,
    encode_infer,
    encode_result,
)
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
    Profile,
    Profiled,
    ProtocolError,
    Ready,
    Result,
    Share,
    Stop,
    Taken,
    Warming,
    WarmupSample,
)
from runtimes.contract.tensor import Buffer, Datatype, NamedSignature, Signature, TensorSpec

Fields = Any  # JSON from the other side: any misfit below becomes a ProtocolError in `decode`

_dumps = json.JSONEncoder(separators=(",", ":")).encode


def encode(message: Message, place: Place | None = None) -> tuple[bytes, list[Buffer]]:
    """The header of `message` and the buffers that make up its body, already padded.

    `place` may put tensors into shared memory instead.
    """
    kind = type(message)
    if kind is Infer:
        return encode_infer(cast(Infer, message), place)
    if kind is Result:
        return encode_result(cast(Result, message), place)
    if isinstance(message, Profiled):
        return _dumps(_header(message)).encode("ascii"), [message.trace]
    return _dumps(_header(message)).encode("ascii"), []


def _header(message: Message) -> list[object]:
    header: list[object]
    match message:
        case Failed(id=id_, code=code, message=text):
            header = ["failed", id_, code, text]
        case Cancel(id=id_):
            header = ["cancel", id_]
        case Connect():
            header = ["connect"]
        case Share():
            header = ["share"]
        case Taken(id=id_):
            header = ["taken", id_]
        case Ping():
            header = ["ping"]
        case Pong(busy_ns=busy):
            header = ["pong", busy]
        case Profile(batches=batches, seconds=seconds, max_bytes=most):
            header = ["profile", batches, seconds, most]
        case Profiled(name=name, code=code, message=text):
            header = ["profiled", name, code, text]
        case Stop():
            header = ["stop"]
        case Warming():
            header = ["warming"]
        case Load(spec=spec):
            header = ["load", asdict(spec)]
        case Ready():
            header = ["ready", asdict(message)]
        case LoadFailed(reason=reason):
            header = ["load_failed", reason]
        case _:
            raise ProtocolError(f"{type(message).__name__} has no header of this kind")
    return header


def decode(header: bytes, body: Buffer, share: At | None = None) -> Message:
    """The message in a frame; its tensors are views into `body`, or of what `share` gives.

    Raises ProtocolError.
    """
    try:
        if header[0] == INFER:
            return decode_infer(header, memoryview(body), share)
        if header[0] == RESULT:
            return decode_result(header, memoryview(body), share)
        fields = json.loads(header)
        return _DECODERS[fields[0]](fields, memoryview(body))
    except (
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
        AttributeError,
        struct.error,
    ) as error:
        raise ProtocolError(f"malformed message: {type(error).__name__}: {error}") from error


def _specs(items: Fields) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(item["name"], Datatype(item["datatype"]), tuple(item["shape"]), item["optional"])
        for item in items
    )


def _batching(fields: Fields) -> Batching:
    pad = fields["pad"]
    if pad is not None:
        pad = Padding(pad["value"], tuple(pad["buckets"]), pad["mask"])
    sizes = tuple(fields["allowed_sizes"])
    return Batching(fields["max_queue_delay_us"], sizes, pad, fields["usual_rows"])


def _load(fields: Fields, _body: memoryview) -> Load:
    spec = dict(fields[1])
    batching = spec["batching"]
    spec |= {
        "inputs": _specs(spec["inputs"]),
        "outputs": _specs(spec["outputs"]),
        "batching": _batching(batching) if batching is not None else None,
        "warmup": tuple(
            WarmupSample(**{**item, "inputs": _specs(item["inputs"])}) for item in spec["warmup"]
        ),
        "warmup_files": tuple(spec["warmup_files"]),
        "golden_files": tuple(spec["golden_files"]),
    }
    return Load(ModelSpec(**spec))


def _ready(fields: Fields, _body: memoryview) -> Ready:
    ready = dict(fields[1])
    ready["signatures"] = tuple(_signature(item) for item in ready["signatures"])
    return Ready(**ready)


def _signature(item: Fields) -> NamedSignature:
    signature = Signature(_specs(item["signature"]["inputs"]), _specs(item["signature"]["outputs"]))
    return NamedSignature(signature, item["max_batch_size"], item["name"], item["method_name"])


_DECODERS: dict[str, Callable[[Fields, memoryview], Message]] = {
    "failed": lambda fields, _: Failed(fields[1], Code(fields[2]), str(fields[3])),
    "cancel": lambda fields, _: Cancel(fields[1]),
    "connect": lambda _fields, _body: Connect(),
    "share": lambda _fields, _body: Share(),
    "taken": lambda fields, _: Taken(fields[1]),
    "ping": lambda _fields, _body: Ping(),
    "pong": lambda fields, _: Pong(int(fields[1])),
    "profile": lambda fields, _: Profile(int(fields[1]), float(fields[2]), int(fields[3])),
    "profiled": lambda fields, body: Profiled(
        str(fields[1]), body, None if fields[2] is None else Code(fields[2]), str(fields[3])
    ),
    "stop": lambda _fields, _body: Stop(),
    "warming": lambda _fields, _body: Warming(),
    "load": _load,
    "ready": _ready,
    "load_failed": lambda fields, _: LoadFailed(str(fields[1])),
}
