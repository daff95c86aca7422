"""The inference endpoint: the one that must be fast."""

from __future__ import annotations

from starlette.types import Receive

from runtimes.contract.tensor import Buffer
from server.errors import TooLarge
from server.exchange import Exchange
from server.frontends.direct import (
    JSON_TYPE,
    DirectAnswer,
    Header,
    RawHeaders,
    body_of,
    bounded,
    text_of,
)
from server.frontends.disconnect import CancelWhenGone
from server.frontends.limits import FrontendLimits, too_large_message
from server.frontends.off_loop import by_size
from server.frontends.open_inference.binary_tail import HEADER, json_length
from server.frontends.open_inference.raw_request import decode_raw
from server.frontends.open_inference.request_plan import decode_planned
from server.frontends.open_inference.request_timeout import HEADER as TIMEOUT_HEADER
from server.frontends.open_inference.request_timeout import by_deadline, header_deadline_ns
from server.frontends.open_inference.rest_request import AnswerForm
from server.frontends.open_inference.rest_response import Answer, encode_response
from server.frontends.server_timing import HEADER as TIMING
from server.frontends.server_timing import server_timing
from server.frontends.trace_context import begun_by_headers, trace_fields
from server.inference import InferenceRequest, InferenceResponse
from server.planes import DataPlane

PROTOCOL = "rest"

_LENGTH = HEADER.lower().encode()
_TIMEOUT = TIMEOUT_HEADER.lower().encode()
_OCTETS = (b"content-type", b"application/octet-stream")


class InferEndpoint:
    """Answers inference requests through `data`; knows no framework."""

    def __init__(self, data: DataPlane, limits: FrontendLimits) -> None:
        self._data = data
        self._limits = limits

    async def infer(
        self, model: str, version: str, headers: RawHeaders, receive: Receive
    ) -> DirectAnswer:
        """One inference, JSON or binary on either side; `headers` have their names in lower case.

        Raises ServingError for whatever is refused.
        """
        with self._data.exchange(PROTOCOL, model, version) as exchange:
            begun_by_headers(exchange, headers)
            deadline_ns = _deadline_ns(headers, exchange.began_ns)
            body = await body_of(headers, receive, self._limits.max_message_bytes)
            asked, form = await self._decode(exchange, headers, body, deadline_ns)
            with CancelWhenGone(receive, self._limits.disconnect_check_s):
                response = await self._data.infer(asked, exchange)
            return await self._told(exchange, asked, form, headers, response)

    async def infer_whole(
        self, model: str, version: str, headers: RawHeaders, body: Buffer, head_ns: int
    ) -> DirectAnswer:
        """The same of a request whose body is here, and whose head was at `head_ns`; whoever calls
        it watches the client.
        """
        with self._data.exchange(PROTOCOL, model, version) as exchange:
            begun_by_headers(exchange, headers)
            if len(body) > self._limits.max_message_bytes:
                raise TooLarge(too_large_message(self._limits.max_message_bytes))
            asked, form = await self._decode(
                exchange, headers, body, _deadline_ns(headers, head_ns)
            )
            response = await self._data.infer(asked, exchange)
            return await self._told(exchange, asked, form, headers, response)

    async def _decode(
        self, exchange: Exchange, headers: RawHeaders, body: Buffer, deadline_ns: int
    ) -> tuple[InferenceRequest, AnswerForm]:
        size = len(body)
        exchange.arrived(size)
        model, version, given = exchange.model, exchange.version, headers.get(_LENGTH)
        length = None if given is None else json_length(given.decode("latin-1"), size)
        if length == 0:
            asked, form = decode_raw(self._data.metadata(model, version), version, body)
        else:
            # Only JSON takes its time: binary tensors stay where they are.
            json_bytes = size if length is None else length
            asked, form = await by_size(
                json_bytes, decode_planned, model, version, body, length, exchange.began_ns
            )
        return (by_deadline(asked, deadline_ns) if deadline_ns else asked), form

    async def _told(
        self,
        exchange: Exchange,
        asked: InferenceRequest,
        form: AnswerForm,
        headers: RawHeaders,
        response: InferenceResponse,
    ) -> DirectAnswer:
        metadata = None
        if form.classifies():
            metadata = self._data.metadata(response.model, response.version).of(asked.signature)
        encoded = encode_response(response, form, metadata)
        limit = self._limits.max_message_bytes
        answer = await bounded(encoded.parts, _fields(encoded), headers, limit)
        exchange.encoded(answer.size)
        if self._limits.server_timing:
            answer.headers.append((TIMING, server_timing(exchange).encode()))
        answer.headers.extend(trace_fields(exchange))
        return answer


def _deadline_ns(headers: RawHeaders, head_ns: int) -> int:
    """When the answer must be there, counted from `head_ns`; 0 for no deadline."""
    if _TIMEOUT not in headers:
        return 0
    return header_deadline_ns(text_of(headers, _TIMEOUT), head_ns)


def _fields(answer: Answer) -> list[Header]:
    if answer.json_length is None:
        return [JSON_TYPE]
    return [(_LENGTH, b"%d" % answer.json_length), _OCTETS]
