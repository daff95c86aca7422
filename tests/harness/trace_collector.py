"""A real OTLP receiver, rotel, and behind it a collector that keeps the spans for the test."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as rpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

WAIT_S = 30


class Collector(rpc.TraceServiceServicer):
    """Spans as they came; `services` are the names that sent them."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self._changed = threading.Condition()

    def Export(self, request, context):  # noqa: N802  # the service's own name
        with self._changed:
            for resource in request.resource_spans:
                for attribute in resource.resource.attributes:
                    if attribute.key == "service.name":
                        self.services.add(attribute.value.string_value)
                for scope in resource.scope_spans:
                    self.spans += scope.spans
            self._changed.notify_all()
        return pb.ExportTraceServiceResponse()

    def wait_for(self, wanted: Callable[[list[Span]], list[Span]], count: int = 1) -> list[Span]:
        """`count` or more of the spans that `wanted` chooses, once they are here."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(wanted(self.spans)) >= count, WAIT_S)
            assert enough, [span.name for span in self.spans]
            return wanted(self.spans)

    def of_trace(self, trace_id: str) -> dict[str, Span]:
        """The spans of one trace by name, once its batch is there, which is sent last."""
        self.wait_for(lambda spans: [s for s in spans if _is(s, trace_id) and s.name == "batch"])
        return {span.name: span for span in self.spans if _is(span, trace_id)}


def attributes(span: Span) -> dict[str, object]:
    """A span's attributes as plain values."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


def _is(span: Span, trace_id: str) -> bool:
    return span.trace_id.hex() == trace_id


@contextlib.contextmanager
def collecting(folder: Path) -> Iterator[tuple[Collector, str]]:
    """The collector, and the address of the receiver before it."""
    import rotel

    collector, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    rpc.add_TraceServiceServicer_to_server(collector, server)
    behind = server.add_insecure_port("127.0.0.1:0")
    server.start()
    port, http = _free_port(), _free_port()
    agent = Path(rotel.__file__).parent / "rotel-agent"
    with (folder / "rotel.log").open("w") as log:
        receiver = subprocess.Popen(
            [agent, "start", "--otlp-grpc-endpoint", f"127.0.0.1:{port}",
             "--otlp-http-endpoint", f"127.0.0.1:{http}", "--exporter", "otlp",
             "--otlp-exporter-endpoint", f"http://127.0.0.1:{behind}",
             "--otlp-exporter-protocol", "grpc", "--batch-timeout", "100ms"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait_until_open(port, receiver, folder)
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        receiver.terminate()
        receiver.wait(10)
        server.stop(0)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def _wait_until_open(port: int, process: subprocess.Popen, folder: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError((folder / "rotel.log").read_text())
