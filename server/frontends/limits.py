"""What a frontend needs to know of the settings: sizes it enforces and the version it tells."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_MAX_MESSAGE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class FrontendLimits:
    """Bounds shared by the frontends of both protocols.

    `max_message_bytes` bounds a request after decompression and an answer before compression.
    `disconnect_check_s` is how long a request runs before anyone looks whether its client is still
    there.
    """

    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    server_version: str = "0"
    disconnect_check_s: float = 0.05


def too_large_message(max_message_bytes: int) -> str:
    """The sentence for a message over the limit, naming the setting that would raise it."""
    return (
        f"request body is larger than max_message_bytes ({max_message_bytes} bytes); "
        "raise --max-message-bytes on the server or send less"
    )


def answer_too_large_message(size: int, max_message_bytes: int) -> str:
    """The sentence for an answer of `size` bytes, which is over the limit."""
    return (
        f"the response has {size} bytes, more than max_message_bytes ({max_message_bytes}); raise "
        "--max-message-bytes on the server or ask for fewer rows or outputs"
    )
