"""The look into ONNX files survives whatever bytes it is given."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtimes.onnx_file import read
from runtimes.runtime import LoadError


def _field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def _location(text: bytes) -> bytes:
    return _field(13, _field(1, b"location") + _field(2, text))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param([7, 5], id="initializer"),
        pytest.param([7, 1, 5, 5], id="attribute"),
        pytest.param([7, 1, 5, 10], id="attribute-list"),
        pytest.param([7, 1, 5, 6, 5], id="subgraph"),
        pytest.param([7, 1, 5, 11, 1, 5, 6, 5], id="nested-subgraphs"),
    ],
)
def test_a_location_is_found_wherever_a_tensor_may_be(tmp_path, path):
    data = _location(b"w.bin")
    for number in reversed(path):
        data = _field(number, data)
    (tmp_path / "m").write_bytes(data)
    assert read(str(tmp_path / "m")).locations == {"w.bin"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x3a\x7f",
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x3b\x3c",
        b"\x0d\x00",
        _field(7, _field(5, _location(b"\xff"))),
    ],
)
def test_damaged_files_are_refused(tmp_path, data):
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(LoadError, match="ONNX"):
        read(str(tmp_path / "m"))


def test_deep_nesting_is_walked_without_recursion(tmp_path):
    data = _location(b"deep")
    data = _field(5, data)
    for _ in range(1500):
        data = _field(1, _field(5, _field(6, data)))
    (tmp_path / "m").write_bytes(_field(7, data))
    assert read(str(tmp_path / "m")).locations == {"deep"}


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(tmp_path, data):
    (tmp_path / "m").write_bytes(data)
    try:
        file = read(str(tmp_path / "m"))
    except LoadError:
        return
    assert all(isinstance(name, str) for name in file.locations | file.unranked)
