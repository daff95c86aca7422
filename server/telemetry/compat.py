"""Whose names metrics may have beside our own: a setting."""

from __future__ import annotations

from enum import StrEnum


class MetricsCompat(StrEnum):
    """Another server."""

    TRITON = "triton"
    TF_SERVING = "tf_serving"
