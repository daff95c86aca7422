"""A plan from a server's address, a protocol, a model and samples: the way in for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

from loadtests.generator.plan import Moments, Plan, Transport
from loadtests.generator.trust import Trust, is_tls
from loadtests.samples.sample import Sample
from loadtests.wire import oip_grpc, oip_rest, tfs_grpc, tfs_rest, torchserve
from loadtests.wire.token import Token

TargetProtocol = Literal["rest", "rest-json", "grpc", "tfs-rest", "tfs-grpc", "torchserve"]

_HTTP = {
    "rest": oip_rest.binary,
    "rest-json": oip_rest.json,
    "tfs-rest": tfs_rest.predict,
    "torchserve": torchserve.predictions,
}

GRPC = {"grpc": oip_grpc.METHOD, "tfs-grpc": tfs_grpc.METHOD}
"""The method that is called, for each protocol over gRPC."""


SCHEMES = ("", "http", "https", "grpc", "grpcs")


def plan_for(
    url: str,
    protocol: TargetProtocol,
    model: str,
    samples: Sequence[Sample],
    *,
    seconds: float,
    rate: float = 0.0,
    concurrency: int = 1,
    moments: Moments = "poisson",
    seed: int = 1,
    trust: Trust | None = None,
    token: Token | None = None,
) -> Plan:
    """`rate` requests per second (open loop), or at rate 0 `concurrency` clients (closed loop).

    `url` is http://HOST:PORT or https://HOST:PORT; for gRPC HOST:PORT or grpcs://HOST:PORT. Over
    TLS the server must be one that `trust` believes, or the system where it is left out. With
    `token` it is shown that. In an open loop `concurrency` is the most that can be under way: make
    it large, or the loop is not an open one. Each sample becomes one request, sent equally often.
    Raises ValueError for what cannot be sent.
    """
    if not samples:
        raise ValueError("samples: expected at least one")
    address = _address(url)
    transport: Transport = "grpc" if protocol in GRPC else "http"
    if protocol in GRPC:
        write = tfs_grpc.request if protocol == "tfs-grpc" else oip_grpc.request
        requests = tuple(write(model, sample) for sample in samples)
    else:
        encode = _HTTP[protocol]
        requests = tuple(encode(model, sample).raw(address) for sample in samples)
    return Plan(
        transport=transport, address=address, requests=requests, method=GRPC.get(protocol, ""),
        rate=rate, moments=moments, clients=concurrency, seconds=seconds, seed=seed,
        trust=(trust or Trust()) if is_tls(url) else None, token=token or Token(),
    )  # fmt: skip


def _address(url: str) -> str:
    parts = urlsplit(url if "//" in url else f"//{url}")
    if parts.scheme not in SCHEMES or not parts.hostname or parts.port is None:
        raise ValueError(f"url: expected http://HOST:PORT or https://HOST:PORT, got {url!r}")
    if parts.path not in ("", "/"):
        raise ValueError(f"url: expected no path, got {parts.path!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port}"
