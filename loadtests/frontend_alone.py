"""Both frontends on a data plane that answers at once: what they cost without a model behind them.

`python -m loadtests.frontend_alone FOLDER` writes the bodies of two requests, small (256 bytes) and
image (602,112 bytes), for each protocol to FOLDER, prints how to send them, and serves until it is
interrupted; with `envoy` after FOLDER from within Envoy, with `bare` the bytes of a gRPC request
from a bare `grpc.aio`. docs/performance.md says how to profile it.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, cast

import grpc
import grpc.aio

from protos import inference_pb2 as pb
from runtimes.contract.messages import Timings
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec, byte_size
from server.access.access import open_to_all
from server.envoy_process import become_envoy
from server.exchange import Exchange
from server.frontends.closing import Closing
from server.frontends.grpc import GrpcFrontend
from server.frontends.grpc_asgi import GrpcAsgi
from server.frontends.http_server import HttpServer
from server.frontends.limits import FrontendLimits
from server.frontends.one_door import OneDoor
from server.frontends.open_inference.servicer import OpenInferenceServicer
from server.frontends.rest import create_app
from server.hosting.envoy_config import Listening
from server.hosting.ports import port_of, reserve
from server.inference import InferenceRequest, InferenceResponse, check
from server.memory import keep_freed_memory
from server.planes import ControlPlane, ModelMetadata
from server.repository.settings import ModelSettings
from server.statistics import ModelStatistics
from server.telemetry.tally import VersionTally

NO_CONTROL = cast(ControlPlane, None)  # nobody asks it
SHAPES = {"small": (1, 1, 8, 8), "image": (1, 3, 224, 224)}
MAX_BATCH = 64


class Mirror:
    """A data plane whose models give their one input back, and which counts like a real one."""

    def __init__(self) -> None:
        self._tally = VersionTally()

    def exchange(self, protocol: str, model: str = "", version: str = "") -> Exchange:
        """Counted when it ends."""
        return Exchange(protocol, self._tally.ended, model, version)

    async def infer(self, request: InferenceRequest, exchange: Exchange) -> InferenceResponse:
        """The input of `request` as output `y`."""
        check(request, _signature(request.model), MAX_BATCH)
        (x,) = request.inputs
        y = Tensor("y", x.datatype, x.shape, x.data)
        exchange.sent_ns = exchange.received_ns = time.monotonic_ns()
        return InferenceResponse(request.model, "1", request.id, (y,), Timings())

    def live(self) -> bool:
        """True."""
        return True

    def ready(self) -> bool:
        """True."""
        return True

    def model_ready(self, model: str, version: str) -> bool:
        """True for the two models there are."""
        return model in SHAPES

    def metadata(self, model: str, version: str) -> ModelMetadata:
        """What is known of `model`."""
        settings = ModelSettings(model)
        return ModelMetadata(
            model, 1, (1,), "mirror", "echo", _signature(model), MAX_BATCH, settings
        )

    def statistics(self, model: str, version: str) -> list[ModelStatistics]:
        """None are kept."""
        return []


@functools.cache
def _signature(model: str) -> Signature:
    shape = (-1, *SHAPES[model][1:])
    spec = (TensorSpec(name, Datatype.FP32, shape) for name in ("x", "y"))
    return Signature((next(spec),), (next(spec),))


@dataclass(frozen=True, slots=True)
class Bodies:
    """One request in both protocols; `json_length` belongs into REST's header."""

    rest: bytes
    json_length: int
    grpc: bytes


def bodies(model: str) -> Bodies:
    """A request of zeros for `model`; the gRPC one with its 5 bytes of framing."""
    shape = SHAPES[model]
    data = bytes(byte_size(Datatype.FP32, shape) or 0)
    tensor = {"name": "x", "datatype": "FP32", "shape": shape}
    head = json.dumps(
        {
            "parameters": {"binary_data_output": True},
            "inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}],
        }
    ).encode()
    message = pb.ModelInferRequest(model_name=model, raw_input_contents=[data])
    message.inputs.add(name="x", datatype="FP32", shape=shape)
    encoded = message.SerializeToString()
    return Bodies(head + data, len(head), b"\0" + struct.pack(">I", len(encoded)) + encoded)


async def serve(folder: Path) -> None:
    """Serve both protocols on free ports until cancelled."""
    data, limits = Mirror(), FrontendLimits()
    app = create_app(data, NO_CONTROL, limits, open_to_all())
    rest = HttpServer(app, "127.0.0.1", 0, Closing(grace=1), door=app.door)
    await rest.start()
    frontend = GrpcFrontend(
        [OpenInferenceServicer(data, NO_CONTROL, limits)], data, limits, open_to_all()
    )
    port = await frontend.start("127.0.0.1", 0)
    explain(folder, rest.port, port)
    await asyncio.Event().wait()


async def serve_bare(folder: Path) -> None:
    """Give back the bytes of every ModelInfer, by `grpc.aio` alone, until cancelled."""

    async def echo(payload: bytes, context: object) -> bytes:
        return payload

    server = grpc.aio.server()
    methods = {"ModelInfer": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("inference.GRPCInferenceService", methods),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    explain(folder, 0, port)
    await asyncio.Event().wait()


def mirror_application() -> OneDoor:
    """Both protocols as one application."""
    data, limits = Mirror(), FrontendLimits()
    servicer = OpenInferenceServicer(data, NO_CONTROL, limits)
    grpc_calls = GrpcAsgi([servicer], limits, asyncio.Event(), open_to_all())
    return OneDoor(create_app(data, NO_CONTROL, limits, open_to_all()), grpc_calls)


def serve_in_envoy(folder: Path) -> NoReturn:
    """Go on as Envoy."""
    rest, grpc_port = (port_of(held) for held in [reserve("127.0.0.1", 0) for _ in range(2)])
    explain(folder, rest, grpc_port)
    at = Listening("127.0.0.1", rest, grpc_port)
    become_envoy("loadtests.frontend_in_envoy:app", at, folder / "admin.sock", {})


def explain(folder: Path, http_port: int, grpc_port: int) -> None:
    """Write the bodies of requests and say how to send them."""
    print(f"process {os.getpid()}")
    for model in SHAPES:
        _explain(model, folder, http_port, grpc_port)


def _explain(model: str, folder: Path, http_port: int, grpc_port: int) -> None:
    made = bodies(model)
    (folder / f"{model}.rest").write_bytes(made.rest)
    (folder / f"{model}.grpc").write_bytes(made.grpc)
    (folder / f"{model}.lua").write_text(
        f'local file = io.open("{folder / model}.rest", "rb")\n'
        'wrk.method, wrk.body = "POST", file:read("*all")\n'
        f'wrk.headers["Inference-Header-Content-Length"] = "{made.json_length}"\n'
    )
    print(
        f"wrk -t1 -c64 -d5s -s {folder / model}.lua "
        f"http://127.0.0.1:{http_port}/v2/models/{model}/infer\n"
        f"h2load -t1 -c8 -m8 -D5 -d {folder / model}.grpc -H 'content-type: application/grpc' "
        f"-H 'te: trailers' http://127.0.0.1:{grpc_port}/inference.GRPCInferenceService/ModelInfer",
        flush=True,
    )


if __name__ == "__main__":
    import uvloop

    folder, way = Path(sys.argv[1]).resolve(), sys.argv[2:]
    if way == ["envoy"]:
        serve_in_envoy(folder)
    keep_freed_memory()
    uvloop.run(serve_bare(folder) if way == ["bare"] else serve(folder))
