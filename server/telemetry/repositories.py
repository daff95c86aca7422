"""Metrics of model repositories and of what is fetched from object stores."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class RepositoryMeter:
    """Counts by a repository's number from 1, in the order they were given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reachable = Gauge(
            "underway_repository_reachable",
            "1 where the last look at a model repository could read it, else 0.",
            ("repository",), registry=registry,
        )  # fmt: skip
        self._received = Counter(
            "underway_store_received_bytes",
            "Bytes of versions downloaded from object stores.",
            ("repository",), registry=registry,
        )  # fmt: skip

    def looked(self, repository: int, reachable: bool) -> None:
        """Take down how a look at a repository went."""
        self._reachable.labels(str(repository)).set(int(reachable))

    def received(self, repository: int, size: int) -> None:
        """Count bytes of a download; from any thread. 0 shows the count before there is one."""
        self._received.labels(str(repository)).inc(size)
