"""Recognises GPU errors after which every further call in the same process fails too."""

from __future__ import annotations

# CUDA reports some errors again from every later call of the process (CUDA's documentation calls
# them sticky). Running out of memory is not one of them.
_SIGNS = (
    "cuda error:",
    "cuda failure",
    "cuda_error_illegal_address",
    "cuda_error_launch_failed",
    "cuda_error_assert",
    "cuda_error_ecc_uncorrectable",
    "illegal memory access",
    "device-side assert",
    "unspecified launch failure",
    "uncorrectable ecc error",
)
_HARMLESS = ("out of memory", "out_of_memory", "no kernel image")


class DeviceLost(Exception):
    """This process can no longer use its GPU."""


def is_sticky(error: BaseException) -> bool:
    """True where `error`, or what caused it, says that the GPU context is beyond use."""
    seen = 0
    current: BaseException | None = error
    while current is not None and seen < 8:
        text = str(current).lower()
        if any(sign in text for sign in _SIGNS) and not any(h in text for h in _HARMLESS):
            return True
        current, seen = current.__cause__ or current.__context__, seen + 1
    return False
