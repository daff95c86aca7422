"""The inference endpoint: the one that must be fast."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from runtimes.contract.tensor import Buffer
from server.errors import TooLarge
from server.frontends.body import read_body
from server.frontends.compression import MIN_BYTES, compress, negotiate
from server.frontends.disconnect import CancelWhenGone
from server.frontends.limits import FrontendLimits, answer_too_large_message
from server.frontends.open_inference.binary_tail import HEADER, json_length
from server.frontends.open_inference.raw_request import decode_raw
from server.frontends.open_inference.rest_io import model_of
from server.frontends.open_inference.rest_request import AnswerForm, decode_request
from server.frontends.open_inference.rest_response import Answer, encode_response
from server.inference import InferenceRequest
from server.planes import DataPlane

PROTOCOL = "rest"


class InferEndpoint:
    """Answers inference requests through `data`."""

    def __init__(self, data: DataPlane, limits: FrontendLimits) -> None:
        self._data = data
        self._limits = limits

    async def infer(self, request: Request) -> Response:
        """One inference, JSON or binary on either side."""
        body = await read_body(request, self._limits.max_message_bytes)
        asked, form = self._decode(request, body)
        with CancelWhenGone(request.receive, self._limits.disconnect_check_s):
            response = await self._data.infer(asked, PROTOCOL)
        metadata = None
        if form.classifies():
            metadata = self._data.metadata(response.model, response.version)
        answer = encode_response(response, form, metadata)
        if (size := sum(map(len, answer.parts))) > self._limits.max_message_bytes:
            raise TooLarge(answer_too_large_message(size, self._limits.max_message_bytes))
        return await _send(answer, request.headers.get("accept-encoding"))

    def _decode(self, request: Request, body: Buffer) -> tuple[InferenceRequest, AnswerForm]:
        model, version = model_of(request)
        length = json_length(request.headers.get(HEADER), len(body))
        if length == 0:
            return decode_raw(self._data.metadata(model, version), version, body)
        return decode_request(model, version, body, length, time.monotonic_ns())


async def _send(answer: Answer, accept_encoding: str | None) -> Response:
    headers: dict[str, str] = {}
    media_type = "application/json"
    if answer.json_length is not None:
        headers[HEADER] = str(answer.json_length)
        media_type = "application/octet-stream"
    coding = negotiate(accept_encoding)
    if coding is not None and sum(map(len, answer.parts)) >= MIN_BYTES:
        headers["Content-Encoding"] = coding
        body = await compress(answer.parts, coding)
    else:
        body = b"".join(answer.parts)
    return Response(body, headers=headers, media_type=media_type)
