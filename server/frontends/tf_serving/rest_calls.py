"""TensorFlow Serving's REST API: which call a path is, and its answer.

Paths and what is said of wrong ones: model_servers/http_rest_api_handler.cc.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import orjson
from google.protobuf.json_format import MessageToDict
from starlette.types import Receive

from runtimes.contract.tensor import Buffer
from server.errors import InvalidArgument
from server.frontends.calls import CallContext
from server.frontends.direct import (
    JSON_TYPE,
    DirectAnswer,
    RawHeaders,
    body_of,
    bounded,
)
from server.frontends.disconnect import CancelWhenGone
from server.frontends.limits import FrontendLimits
from server.frontends.off_loop import by_size
from server.frontends.server_timing import HEADER as TIMING
from server.frontends.server_timing import server_timing
from server.frontends.tf_serving.choice import ModelChoice, find, missing_for_rest
from server.frontends.tf_serving.example_calls import ExampleCalls
from server.frontends.tf_serving.json_answer import encode_predictions
from server.frontends.tf_serving.json_examples import (
    decode_examples,
    encode_classes,
    encode_values,
)
from server.frontends.tf_serving.json_request import decode_inputs, json_object, signature_name
from server.frontends.tf_serving.metadata import SIGNATURE_DEF, signature_defs
from server.frontends.tf_serving.predictor import Predictor
from server.frontends.tf_serving.status import model_status
from server.frontends.trace_context import begun_by_headers, call_of_headers, trace_fields
from server.planes import ControlPlane, DataPlane

_ANY_CASE = re.IGNORECASE | re.ASCII  # a dotless i is an i else, without a method
_WHICH = r"(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_ASK = re.compile(rf"/v1/models/([^/:]+){_WHICH}:(classify|regress|predict)", _ANY_CASE)
_LOOK = re.compile(rf"/v1/models(?:/([^/:]+))?{_WHICH}(?:/(metadata))?", _ANY_CASE)
_MAX_VERSION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Call:
    """One of predict, classify, regress, status and metadata, of a model."""

    method: str
    choice: ModelChoice


def call_of(verb: str, path: str) -> Call:
    """Which call a request is; raises InvalidArgument where it is none."""
    asked = _ASK.fullmatch(path) if verb == "POST" else None
    if asked is not None:
        model, version, label, method = asked.groups()
        return Call(method.lower(), _choice(model, version, label))
    looked = _LOOK.fullmatch(path) if verb == "GET" else None
    if looked is None:
        raise InvalidArgument(f"Malformed request: {verb} {path[:1024]}")
    model, version, label, metadata = looked.groups()
    if model is None:
        raise InvalidArgument("Missing model name in request.")
    return Call("metadata" if metadata else "status", _choice(model, version, label))


def _choice(model: str, version: str | None, label: str | None) -> ModelChoice:
    if version and (len(version) > 64 or int(version) > _MAX_VERSION):
        raise InvalidArgument(f"Failed to convert version: {version[:64]} to numeric.")
    return ModelChoice(model, str(int(version)) if version else "", label or "")


class RestCalls:
    """Answers calls through `data` and `control`; knows no framework."""

    def __init__(self, data: DataPlane, control: ControlPlane, limits: FrontendLimits) -> None:
        self._data = data
        self._control = control
        self._limits = limits
        self._predictor = Predictor(data, "rest")
        self._examples = ExampleCalls(self._predictor, limits.max_message_bytes)

    async def answer(
        self, verb: str, path: str, headers: RawHeaders, receive: Receive
    ) -> DirectAnswer:
        """The answer to one request, `headers` having their names in lower case.

        Raises ServingError for whatever is refused.
        """
        call = call_of(verb, path)
        limit = self._limits.max_message_bytes
        match call.method:
            case "status":
                reply = await self._status(call.choice)
            case "metadata":
                reply = self._metadata(call.choice)
            case "predict":
                return await self._predict(call.choice, headers, receive)
            case method:
                body, context = await body_of(headers, receive, limit), call_of_headers(headers)
                with CancelWhenGone(receive, self._limits.disconnect_check_s):
                    reply = await self._ask(method, call.choice, body, context)
                told = [(name.encode(), text.encode()) for name, text in context.trailing.items()]
                return await bounded([reply], [JSON_TYPE, *told], headers, limit)
        return await bounded([reply], [JSON_TYPE], headers, limit)

    async def _ask(self, method: str, of: ModelChoice, body: Buffer, context: CallContext) -> bytes:
        document = json_object(body)
        choice = replace(of, signature=signature_name(document))
        given = await by_size(len(body), decode_examples, document)
        if method == "classify":
            classified = await self._examples.classify(choice, given, context)
            return encode_classes(classified.result)
        regressed = await self._examples.regress(choice, given, context)
        return encode_values(regressed.result)

    async def _predict(
        self, of: ModelChoice, headers: RawHeaders, receive: Receive
    ) -> DirectAnswer:
        limit = self._limits.max_message_bytes
        with self._predictor.exchange(of) as exchange:
            begun_by_headers(exchange, headers)
            body = await body_of(headers, receive, limit)
            exchange.arrived(len(body))
            document = json_object(body)
            choice = replace(of, signature=signature_name(document))
            chosen = self._predictor.choose(choice, missing_for_rest)
            inputs, rows = await by_size(len(body), decode_inputs, document, chosen.signature)
            with CancelWhenGone(receive, self._limits.disconnect_check_s):
                answer = await self._predictor.infer(chosen, exchange, inputs)
            reply = encode_predictions(answer.outputs, rows=rows)
            answered = await bounded([reply], [JSON_TYPE], headers, limit)
            exchange.encoded(answered.size)
            if self._limits.server_timing:
                answered.headers.append((TIMING, server_timing(exchange).encode()))
            answered.headers.extend(trace_fields(exchange))
            return answered

    async def _status(self, choice: ModelChoice) -> bytes:
        status = await model_status(self._data, self._control, choice)
        return orjson.dumps(MessageToDict(status, always_print_fields_with_no_presence=True))

    def _metadata(self, choice: ModelChoice) -> bytes:
        metadata = find(self._data, choice)
        signatures = MessageToDict(
            signature_defs(metadata),
            always_print_fields_with_no_presence=True,
            preserving_proto_field_name=True,
        )
        spec = {"name": choice.model, "signature_name": "", "version": str(metadata.version)}
        return orjson.dumps({"model_spec": spec, "metadata": {SIGNATURE_DEF: signatures}})
