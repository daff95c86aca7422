"""The metric of the server's own certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.tls.facts import facts_of


class CertificateMetrics(Collector):
    """When the certificate in use expires; `pem` gives it with its chain."""

    def __init__(self, pem: Callable[[], bytes]) -> None:
        self._pem = pem

    def collect(self) -> Iterator[Metric]:
        """One sample."""
        family = GaugeMetricFamily(
            "underway_tls_certificate_expiry_timestamp_seconds",
            "When the server's certificate in use expires, since 1970.",
        )
        family.add_metric((), facts_of(self._pem()).expires_at)
        yield family
