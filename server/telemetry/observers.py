"""Builds what tells of each request, or nothing where nothing is to be told."""

from __future__ import annotations

import importlib.util
import os

from server.telemetry.access_log import AccessLog
from server.telemetry.observing import RequestObserver, Spans
from server.telemetry.sampling import Sampler
from server.telemetry.trace_settings import TraceRules

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def endpoint_variable() -> str:
    """The standard variable that says where traces go; "" where tracing is off."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or os.environ.get("OTEL_TRACES_EXPORTER") == "none":
        return ""
    return next((name for name in _ENDPOINTS if os.environ.get(name)), "")


def can_trace() -> bool:
    """Whether OpenTelemetry is installed, looked up without importing it."""
    try:
        found = importlib.util.find_spec("opentelemetry.exporter.otlp.proto.grpc")
    except ModuleNotFoundError:
        return False
    return found is not None and importlib.util.find_spec("opentelemetry.sdk") is not None


def make_observer(
    *, tracing: bool, access_log_rate: float, server_version: str, frontends: int, number: int
) -> RequestObserver | None:
    """None where requests are neither traced nor logged, so that they cost nothing."""
    if not tracing and not access_log_rate:
        return None
    spans: Spans | None = None
    if tracing:
        # Only here: importing it takes a second.
        from server.telemetry.spans import SpanMaker, make_provider

        spans = SpanMaker(make_provider(server_version))
    access_log = AccessLog(access_log_rate) if access_log_rate else None
    return RequestObserver(Sampler(TraceRules(), frontends, number), spans, access_log)
