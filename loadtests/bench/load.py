"""Drives one request over and over with a load generator written in C, and reads what it says.

wrk speaks HTTP/1.1 to REST. h2load speaks HTTP/2 to gRPC; it sees no gRPC status, so the size of
what came back is held against that of the good answers.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loadtests.bench.affinity import Cpus, pinned
from loadtests.bench.requests import Request

SCRIPT = Path(__file__).with_name("post.lua")
PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client"}
GRPC_HEADERS = ("content-type: application/grpc", "te: trailers")
FRAME = 5
"""Bytes before a gRPC message."""

SPARE = 60.0
"""Seconds a generator may take beyond its time before it counts as stuck."""


class LoadError(Exception):
    """The generator could not be run, or said what is not understood."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a generator saw in `seconds`; latencies in ms. `failed` requests had no good answer."""

    requests: int
    seconds: float
    p50: float
    p99: float
    failed: int


def tool_for(protocol: str) -> str:
    """The generator that is needed."""
    return "h2load" if protocol == "grpc" else "wrk"


def missing(protocol: str) -> str:
    """What to install for `protocol`; "" where nothing lacks."""
    tool = tool_for(protocol)
    if shutil.which(tool):
        return ""
    return f"{tool} is missing: install {PACKAGES[tool]} (apt-get install {PACKAGES[tool]})"


def drive(
    request: Request, address: str, concurrency: int, seconds: int, size: int, cpus: Cpus = ()
) -> Load:
    """Keep `concurrency` requests under way for whole `seconds`; an answer has `size` bytes.

    The generator runs on `cpus`, on any where empty. Raises LoadError.
    """
    run = _h2load if request.protocol == "grpc" else _wrk
    with pinned(cpus):
        return run(request, address, concurrency, seconds, size)


def _wrk(request: Request, address: str, concurrency: int, seconds: int, _size: int) -> Load:
    with _file(request.body) as body:
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        said = _run(
            ["wrk", "-t1", f"-c{concurrency}", f"-d{seconds}s", "--timeout", "30s", "-s", SCRIPT,
             f"http://{address}{request.path}", "--", body, *headers],
            seconds,
        )  # fmt: skip
    return read_wrk(said)


def _h2load(request: Request, address: str, concurrency: int, seconds: int, size: int) -> Load:
    connections = math.isqrt(concurrency)
    streams = math.ceil(concurrency / connections)
    headers = [item for header in GRPC_HEADERS for item in ("-H", header)]
    with _file(request.framed) as body:
        log = body.with_name("log")
        said = _run(
            ["h2load", "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}", "-d", body,
             "--log-file", log, *headers, f"http://{address}{request.path}"],
            seconds,
        )  # fmt: skip
        with log.open() as lines:
            return read_h2load(said, lines, float(seconds), size + FRAME)


def read_wrk(said: str) -> Load:
    """The line that post.lua writes last. Raises LoadError."""
    try:
        told = json.loads(said.strip().splitlines()[-1])
        return Load(
            requests=told["requests"],
            seconds=told["microseconds"] / 1e6,
            p50=told["p50"] / 1000,
            p99=told["p99"] / 1000,
            failed=told["status"] + told["broken"],
        )
    except (ValueError, KeyError, IndexError, TypeError):
        raise LoadError(f"wrk said {said.strip()[-300:]!r}") from None


def read_h2load(said: str, log: Iterable[str], seconds: float, size: int) -> Load:
    """h2load's summary, and its log: start in us, HTTP status, duration in us.

    Answers of `size` bytes are good ones; bytes that lack stand for answers that failed. Raises
    LoadError.
    """
    counts = re.search(r"requests: .*?(\d+) succeeded, (\d+) failed, (\d+) errored", said)
    data = re.search(r"\((\d+)\) data", said)
    times = [int(line.split("\t")[2]) for line in log if line.split("\t")[1] == "200"]
    if counts is None or data is None or not times:
        raise LoadError(f"h2load said {said.strip()[-300:]!r}")
    succeeded, failed, errored = (int(count) for count in counts.groups())
    lacking = max(0, succeeded * size - int(data[1]))
    p50, p99 = np.percentile(times, [50, 99]) / 1000
    without = math.ceil(lacking / size)
    return Load(succeeded, seconds, float(p50), float(p99), failed + errored + without)


def _run(command: list[str | Path], seconds: float) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + SPARE, check=False
        )
    except subprocess.TimeoutExpired:
        raise LoadError(f"{command[0]} did not end") from None
    if done.returncode != 0:
        raise LoadError(f"{command[0]} failed: {(done.stdout + done.stderr).strip()[-300:]}")
    return done.stdout


@contextmanager
def _file(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="underway-bench-") as folder:
        path = Path(folder) / "body"
        path.write_bytes(content)
        yield path
