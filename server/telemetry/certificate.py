"""The metric of the server's own certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class CertificateMetrics(Collector):
    """When the certificate in use expires, which `expires_at` gives, in seconds since 1970."""

    def __init__(self, expires_at: Callable[[], float]) -> None:
        self._expires_at = expires_at

    def collect(self) -> Iterator[Metric]:
        """One sample."""
        family = GaugeMetricFamily(
            "underway_tls_certificate_expiry_timestamp_seconds",
            "When the server's certificate in use expires, since 1970.",
        )
        family.add_metric((), self._expires_at())
        yield family
