"""Finds the files in which an ONNX model keeps its weights, without parsing the model."""

from __future__ import annotations

import re
from pathlib import Path

MAX_GRAPH_BYTES = 256 << 20
"""A file this large has its weights inside: what external data leaves behind is small."""

# In protobuf's encoding: field 1 is the key "location", field 2 the value, one byte for its length.
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])(?=([^\x00]{1,127}))", re.DOTALL)


def external_files(model: Path) -> list[str]:
    """The names of files beside `model` that it refers to as its external data.

    Told by the bytes of the reference, so that only a name whose file is really there counts.
    """
    if model.stat().st_size > MAX_GRAPH_BYTES:
        return []
    names = set()
    for match in _LOCATION.finditer(model.read_bytes()):
        name = match[2][: match[1][0]].decode("utf-8", "replace")
        if (model.parent / name).is_file():
            names.add(name)
    return sorted(names)
