"""The metrics as pages: all of them for Prometheus, and those under other servers' names."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder
from prometheus_client.registry import Collector

from server.telemetry.compat import MetricsCompat
from server.telemetry.foreign import typed

_END = b"# EOF\n"


class Exposition:
    """Pages of `registry` and of the collectors in `compat`, which are turned on.

    Making one takes milliseconds per model: do it in a thread.
    """

    def __init__(
        self, registry: CollectorRegistry, compat: Mapping[MetricsCompat, Collector] | None = None
    ) -> None:
        self._registry = registry
        self._compat: dict[MetricsCompat, CollectorRegistry] = {}
        for kind, collector in (compat or {}).items():
            self._compat[kind] = CollectorRegistry()
            self._compat[kind].register(collector)

    def page(self, accept: str) -> tuple[bytes, str]:
        """Everything, and its content type: OpenMetrics, which has exemplars, for who accepts it,
        else Prometheus' text.
        """
        encode, content_type = choose_encoder(accept)
        text = encode(self._registry)
        if not self._compat:
            return text, content_type
        end = _END if text.endswith(_END) else b""
        # As Prometheus' text in either case: as OpenMetrics, colons would become underscores.
        parts = [typed(generate_latest(one), open=bool(end)) for one in self._compat.values()]
        return b"".join([text.removesuffix(end), *parts, end]), content_type

    def of(self, kind: MetricsCompat) -> tuple[bytes, str]:
        """Only what is under `kind`'s names, as Prometheus' text, and its content type."""
        return typed(generate_latest(self._compat[kind])), CONTENT_TYPE_PLAIN_0_0_4
