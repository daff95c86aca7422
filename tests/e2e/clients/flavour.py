"""tritonclient's four clients behind one face, so that a check is written once."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.e2e.clients.registry import failure

MODULES = {
    "http": "tritonclient.http",
    "http-aio": "tritonclient.http.aio",
    "grpc": "tritonclient.grpc",
    "grpc-aio": "tritonclient.grpc.aio",
}
GRPC_STATUS = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@dataclass(frozen=True, slots=True)
class Head:
    """What stands beside the tensors of an answer."""

    model: str
    version: str
    id: str
    outputs: list[str]


class Flavour:
    """One client; `address` is host:port without a scheme."""

    def __init__(self, name: str, address: str, **options: Any) -> None:
        self.name = name
        self.address = address
        self.is_grpc = name.startswith("grpc")
        self.is_aio = name.endswith("aio")
        self.module = importlib.import_module(MODULES[name])
        self.client = self.module.InferenceServerClient(address, **options)

    def another(self, **options: Any) -> Flavour:
        """A second client of the same flavour to the same server."""
        return Flavour(self.name, self.address, **options)

    async def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call the client's method of that name and wait for its answer."""
        answer = getattr(self.client, method)(*arguments, **named)
        return await answer if inspect.isawaitable(answer) else answer

    async def ask(self, method: str, *arguments: Any, **named: Any) -> Any:
        """`call` of a method that tells something: JSON, in the one form of both protocols."""
        if self.is_grpc:
            named["as_json"] = True
        return await self.call(method, *arguments, **named)

    async def refused(
        self, status: int, words: str, method: str, *arguments: Any, **named: Any
    ) -> None:
        """`call` must fail with `status` (REST's number) and a message that has `words`."""
        self.expect_error(await failure(self.call(method, *arguments, **named)), status, words)

    def expect_error(self, error: Exception, status: int, words: str) -> None:
        """The error must have that status and, somewhere in its message, `words`."""
        assert isinstance(error, InferenceServerException), repr(error)
        expected = f"StatusCode.{GRPC_STATUS[status]}" if self.is_grpc else str(status)
        assert error.status() == expected, f"{error.status()}: {error.message()}"
        assert words in error.message(), error.message()

    def input(
        self, name: str, array: np.ndarray, *, binary: bool = True, datatype: str | None = None
    ) -> Any:
        """An InferInput that holds `array`; `binary` has a meaning for REST only."""
        kind = datatype or np_to_triton_dtype(array.dtype)
        made = self.module.InferInput(name, list(array.shape), kind)
        return made.set_data_from_numpy(array, **({} if self.is_grpc else {"binary_data": binary}))

    def output(self, name: str, *, binary: bool = True, classes: int = 0) -> Any:
        """An InferRequestedOutput; `binary` has a meaning for REST only."""
        form = {} if self.is_grpc else {"binary_data": binary}
        return self.module.InferRequestedOutput(name, class_count=classes, **form)

    async def infer(self, model: str, *inputs: Any, **named: Any) -> Any:
        """The client's InferResult."""
        return await self.call("infer", model, list(inputs), **named)

    def head(self, result: Any) -> Head:
        """Model, version, id and the names of the outputs of an InferResult."""
        told = result.get_response()
        if self.is_grpc:
            names = [output.name for output in told.outputs]
            return Head(told.model_name, told.model_version, told.id, names)
        names = [output["name"] for output in told["outputs"]]
        return Head(told["model_name"], told["model_version"], told.get("id", ""), names)

    async def close(self) -> None:
        """Close the client."""
        await self.call("close")
