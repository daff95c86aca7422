"""Binary requests by a plan: what a JSON header says is worked out once and remembered.

A client's requests have the same header again and again, but for the id. A plan holds what
follows from a header alone; the tensors' bytes are never remembered. What has no plan is decoded
the general way, and so is all that is wrong, so that there is one place for every refusal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from runtimes.contract.tensor import Buffer, Datatype, Tensor, byte_size
from server.errors import ServingError
from server.frontends.open_inference import json_fields
from server.frontends.open_inference.parameters import (
    RequestParameters,
    check_id,
    request_parameters,
)
from server.frontends.open_inference.rest_request import (
    AnswerForm,
    decode_request,
    describe_input,
    output_forms,
)
from server.inference import InferenceRequest, check_size

MAX_HEADER_BYTES = 4096
"""Longer headers are not remembered."""

_PLANS = 256
_CONTENT_CHECKED = frozenset({Datatype.BOOL, Datatype.BYTES})

# An id in front of everything else, where clients write it. The rest must begin with another
# field's name, so that the header without its id is an object if and only if it is one with it.
_LEADING_ID = re.compile(rb'\{\s*"id"\s*:\s*"([^"\\\x00-\x1f]*)"\s*,\s*(?=")')


@dataclass(frozen=True, slots=True)
class _Slice:
    """An input whose bytes are `start` to `end` of the binary tail."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a header says; `size` is that of the binary tail, `id` None where there is none."""

    id: str | None
    parameters: RequestParameters
    inputs: tuple[_Slice, ...]
    outputs: tuple[str, ...]
    form: AnswerForm
    size: int


def decode_planned(
    model: str, version: str, body: Buffer, json_length: int | None, now_ns: int
) -> tuple[InferenceRequest, AnswerForm]:
    """The same as `decode_request`, sooner where such a header was seen before."""
    if json_length is not None and json_length <= MAX_HEADER_BYTES:
        request_id, plan = _planned(bytes(body[:json_length]))
        if plan is not None and len(body) - json_length == plan.size:
            tail = memoryview(body)[json_length:]
            parameters = plan.parameters
            request = InferenceRequest(
                model,
                tuple([_tensor(one, tail) for one in plan.inputs]),
                version,
                request_id,
                plan.outputs,
                parameters.deadline_ns(now_ns) if parameters.timeout_us else 0,
                parameters.priority,
                parameters.custom,
                parameters.signature,
            )
            return request, plan.form
    return decode_request(model, version, body, json_length, now_ns)


def _tensor(one: _Slice, tail: memoryview) -> Tensor:
    tensor = Tensor(one.name, one.datatype, one.shape, tail[one.start : one.end])
    if one.datatype in _CONTENT_CHECKED:
        check_size(tensor)
    return tensor


def _planned(header: bytes) -> tuple[str, _Plan | None]:
    """The request's id and its plan, None where there is no plan for it."""
    leading = _LEADING_ID.match(header)
    if leading is None:
        plan = _plan(header)
        return (plan.id or "" if plan is not None else ""), plan
    plan = _plan(b"{" + header[leading.end() :])
    if plan is None or plan.id is not None:  # a second id, which would win
        return "", None
    try:
        return check_id(leading[1].decode()), plan
    except (ServingError, UnicodeDecodeError):
        return "", None


@lru_cache(maxsize=_PLANS)
def _plan(header: bytes) -> _Plan | None:
    """What `header` says; None where it is wrong or an input is not in the tail."""
    try:
        document = json_fields.json_object(header)
        request_id = check_id(document.get("id")) if "id" in document else None
        parameters = request_parameters(json_fields.parameters(document, "the request"))
        described = [describe_input(item) for item in json_fields.objects(document, "inputs")]
        outputs, form = output_forms(document, parameters)
    except ServingError:
        return None
    inputs: list[_Slice] = []
    start = 0
    for name, datatype, shape, size in described:
        if size is None or byte_size(datatype, shape) not in (size, None):
            return None
        inputs.append(_Slice(name, datatype, shape, start, start + size))
        start += size
    return _Plan(request_id, parameters, tuple(inputs), outputs, form, start)
