"""The load of this bench: one generator process per protocol, both with the same questions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from loadtests.generator.plan import Plan, Transport
from loadtests.generator.process import Load, under_load
from loadtests.swap.questions import ROWS, SHARES, grpc_request, rest_request
from loadtests.swap.records import Records, joined
from loadtests.wire.oip_grpc import METHOD

ENCODERS = {"rest": rest_request, "grpc": grpc_request}
TRANSPORTS: dict[str, Transport] = {"rest": "http", "grpc": "grpc"}


class SwapLoad:
    """Generators at work on `models`; `stop` ends them."""

    def __init__(self, load: Load, protocols: tuple[str, ...], models: tuple[str, ...]) -> None:
        self._load = load
        self._protocols = protocols
        self._models = models

    def stop(self) -> Records:
        """Send no more, wait for what is under way, and collect it."""
        return joined(dict(zip(self._protocols, self._load.stop(), strict=True)), self._models)


@contextlib.contextmanager
def swap_load(
    addresses: dict[str, str], models: tuple[str, ...], rate: float, clients: int, folder: Path
) -> Iterator[SwapLoad]:
    """Send `rate` requests per second, half by each protocol, or a closed loop where that is 0.

    `addresses` are by protocol, `clients` is per protocol. Returns when the first request is due.
    """
    plans = [
        Plan(
            transport=TRANSPORTS[protocol],
            address=address,
            # The order is what `joined` takes a request's number apart by.
            requests=tuple(ENCODERS[protocol](model, rows) for model in models for rows in ROWS),
            method=METHOD,
            weights=tuple(share / len(models) for _ in models for share in SHARES),
            rate=rate / len(addresses),
            clients=clients,
            seed=seed,
        )
        for seed, (protocol, address) in enumerate(addresses.items(), start=1)
    ]
    with under_load(plans, folder) as load:
        yield SwapLoad(load, tuple(addresses), models)
