"""The binary tensor extension's body: JSON first, then the tensors' bytes one after another."""

from __future__ import annotations

from server.errors import InvalidArgument

HEADER = "Inference-Header-Content-Length"


def json_length(value: str | None, body_length: int) -> int | None:
    """The length of the JSON part as the header says it, None where there is no header.

    0 marks a raw binary request. Raises InvalidArgument for what is no number or longer than the
    body.
    """
    if value is None:
        return None
    text = value.strip()
    digits = text.isascii() and text.isdecimal() and len(text) <= 18
    if not digits or int(text) > body_length:
        raise InvalidArgument(
            f"inference header size should be in range (0, {body_length}), got: {text[:32]}"
        )
    return int(text)


class BinaryTail:
    """Hands out the tail's bytes in order, each as a view into the received body."""

    def __init__(self, tail: memoryview) -> None:
        self._tail = tail
        self._offset = 0

    def take(self, name: str, size: int) -> memoryview:
        """The next `size` bytes, for input `name`; raises InvalidArgument if they are not there."""
        left = len(self._tail) - self._offset
        if size > left:
            raise InvalidArgument(
                f"input '{name}' has binary_data_size {size}, but only {left} bytes of binary "
                "data follow"
            )
        start = self._offset
        self._offset += size
        return self._tail[start : self._offset]

    def finish(self) -> None:
        """Raise InvalidArgument if bytes are left that no input asked for."""
        if left := len(self._tail) - self._offset:
            raise InvalidArgument(
                f"{left} bytes of binary data are left over after the last input; expected the "
                "sum of all binary_data_size to be the size of the binary data"
            )
