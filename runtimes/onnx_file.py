"""What an ONNX file says that ONNX Runtime does not: external data and unknown ranks.

Reads the protobuf wire format just deep enough, so that no other package is needed and the answer
does not hang on ONNX Runtime's version (older ones follow external data anywhere on the disk).
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runtimes.runtime import LoadError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Which fields of which message may lead to a TensorProto (numbers from onnx.proto).
_LEADS_TO: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
}
_GRAPH, _GRAPH_INPUT, _GRAPH_OUTPUT = 7, 11, 12

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """`locations` of external data as written in the file; `unranked` inputs and outputs."""

    locations: frozenset[str]
    unranked: frozenset[str]


def read(artifact: str) -> OnnxFile:
    """Look into the file at `artifact`. Raises LoadError where it is no protobuf."""
    try:
        with Path(artifact).open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise LoadError("the ONNX file is empty")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return OnnxFile(frozenset(_locations(data)), frozenset(_unranked(data)))
    except OSError as error:
        raise LoadError(f"the ONNX file cannot be read: {error.strerror}") from None
    except (ValueError, IndexError):
        raise LoadError("the file is not an ONNX model: Protobuf parsing failed") from None


def check_external_data(file: OnnxFile, artifact: str) -> None:
    """Refuse external data that is anything but a plain file inside the version folder.

    Raises LoadError naming the location as the model has it.
    """
    if file.locations and Path(artifact).is_symlink():
        raise LoadError("the ONNX file is a link; with external data it must be a regular file")
    folder = Path(os.path.realpath(Path(artifact).parent))
    for location in sorted(file.locations):
        path = PurePosixPath(location)
        if not location or "\0" in location or path.is_absolute() or ".." in path.parts:
            raise LoadError(f"external data '{location}' lies outside of the version folder")
        try:
            found = (folder / path).lstat()
        except OSError as error:
            raise LoadError(f"external data '{location}' is missing: {error.strerror}") from None
        linked = Path(os.path.realpath(folder / path)) != folder / path or found.st_nlink > 1
        if linked or not stat.S_ISREG(found.st_mode):
            raise LoadError(f"external data '{location}' is a link or not a regular file")


def _locations(data: mmap.mmap) -> Iterator[str]:
    waiting: list[tuple[str, Span]] = [("model", (0, len(data)))]
    while waiting:
        kind, span = waiting.pop()
        if kind == "external":
            entry = dict(_fields(data, span))
            if _text(data, entry.get(1)) == "location":
                yield _text(data, entry.get(2))
            continue
        leads_to = _LEADS_TO[kind]
        waiting += [(leads_to[n], inner) for n, inner in _fields(data, span) if n in leads_to]


def _unranked(data: mmap.mmap) -> Iterator[str]:
    """Names of the graph's inputs and outputs whose type is a tensor without a shape."""
    for number, graph in _fields(data, (0, len(data))):
        if number != _GRAPH:
            continue
        for inner, value in _fields(data, graph):
            if inner in (_GRAPH_INPUT, _GRAPH_OUTPUT):
                info = dict(_fields(data, value))
                tensor_type = _child(data, _child(data, value, 2), 1)
                if _child(data, tensor_type, 2) is None:
                    yield _text(data, info.get(1))


def _child(data: mmap.mmap, span: Span | None, number: int) -> Span | None:
    return None if span is None else dict(_fields(data, span)).get(number)


def _text(data: mmap.mmap, span: Span | None) -> str:
    return "" if span is None else data[span[0] : span[1]].decode()


def _fields(data: mmap.mmap, span: Span) -> Iterator[tuple[int, Span]]:
    """Number and content of each length-delimited field. Raises ValueError out of form."""
    at, end = span
    while at < end:
        tag, at = _varint(data, at)
        wire, number = tag & 7, tag >> 3
        if wire == _BYTES:
            size, at = _varint(data, at)
            if at + size > end:
                raise ValueError
            yield number, (at, at + size)
            at += size
        elif wire == _VARINT:
            _, at = _varint(data, at)
        elif wire in (_FIXED32, _FIXED64):
            at += 4 if wire == _FIXED32 else 8
        else:
            raise ValueError
    if at != end:
        raise ValueError


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError
