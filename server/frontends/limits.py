"""What a frontend needs to know of the settings: sizes it enforces and the version it tells."""

from __future__ import annotations

from dataclasses import dataclass

from server.routing.messages import Welcome

DEFAULT_MAX_MESSAGE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class FrontendLimits:
    """Bounds shared by the frontends of both protocols.

    `max_message_bytes` bounds a request after decompression and an answer before compression.
    `disconnect_check_s` is how long a request runs before anyone looks whether its client is still
    there. `server_timing` says whether answers tell where their time went, `tf_serving_metrics`
    whether REST has metrics under TensorFlow Serving's names.
    """

    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    server_version: str = "0"
    disconnect_check_s: float = 0.05
    server_timing: bool = True
    tf_serving_metrics: bool = False


def limits_of(welcome: Welcome) -> FrontendLimits:
    """As the gateway tells a frontend."""
    return FrontendLimits(
        welcome.max_message_bytes,
        welcome.server_version,
        server_timing=welcome.server_timing,
        tf_serving_metrics=welcome.tf_serving_metrics,
    )


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
