"""An InferenceResponse as the body of a REST answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import orjson

from runtimes.contract.record import record
from runtimes.contract.tensor import Buffer, Datatype, Tensor
from server.frontends.open_inference.classification import classify
from server.frontends.open_inference.json_tensors import encode_data
from server.frontends.open_inference.rest_request import AnswerForm
from server.inference import InferenceResponse
from server.planes import ModelMetadata

_HEADS = 1024
"""Of how many different answers the JSON is remembered, which hardly ever changes."""

_FEW = 16
"""That of more outputs is made anew each time, so that what is remembered stays small."""

_Spec = tuple[str, Datatype, tuple[int, ...], int]
"""Name, datatype, shape and bytes of an output."""


@record
class Answer:
    """A body in `parts`; `json_length` is None where the JSON is all there is."""

    parts: Sequence[Buffer]
    json_length: int | None


def encode_response(
    response: InferenceResponse, form: AnswerForm, metadata: ModelMetadata | None
) -> Answer:
    """Encode `response` as `form` asks; `metadata` is needed where an output is classified.

    Raises InvalidArgument for an output that cannot be sent in the form asked for.
    """
    if _is_plain(form, response.outputs):
        return _encode_plain(response)
    return _encode(response, form, metadata)


def _is_plain(form: AnswerForm, outputs: Sequence[Tensor]) -> bool:
    """True where every output goes into the binary tail as it is."""
    for tensor in outputs:
        wanted = form.of(tensor.name)
        if not wanted.binary or wanted.classes:
            return False
    return bool(outputs)


def _encode_plain(response: InferenceResponse) -> Answer:
    specs: list[_Spec] = []
    parts: list[Buffer] = [b""]
    for tensor in response.outputs:
        data = tensor.data
        specs.append((tensor.name, tensor.datatype, tensor.shape, len(data)))
        parts.append(data)
    head_of = _plain_head if len(specs) <= _FEW else _plain_head.__wrapped__
    before, after = head_of(response.model, response.version, tuple(specs))
    named = b',"id":' + orjson.dumps(response.id) if response.id else b""
    parts[0] = head = b"".join((before, named, after))
    return Answer(parts, len(head))


@lru_cache(_HEADS)
def _plain_head(model: str, version: str, specs: tuple[_Spec, ...]) -> tuple[bytes, bytes]:
    """The JSON of an answer with these outputs, in front of its id and behind it."""
    outputs = [
        {
            "name": name,
            "datatype": datatype,
            "shape": shape,
            "parameters": {"binary_data_size": size},
        }
        for name, datatype, shape, size in specs
    ]
    before = orjson.dumps({"model_name": model, "model_version": version})
    return before[:-1], b',"outputs":' + orjson.dumps(outputs) + b"}"


def _encode(
    response: InferenceResponse, form: AnswerForm, metadata: ModelMetadata | None
) -> Answer:
    described: list[dict[str, object]] = []
    tail: list[Buffer] = []
    binary = False
    for tensor in response.outputs:
        wanted = form.of(tensor.name)
        if wanted.classes and metadata is not None:
            tensor = _classified(tensor, wanted.classes, metadata)
        entry: dict[str, object] = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": tensor.shape,
        }
        if wanted.binary:
            binary = True
            entry["parameters"] = {"binary_data_size": len(tensor.data)}
            tail.append(tensor.data)
        else:
            entry["data"] = encode_data(tensor)
        described.append(entry)
    document: dict[str, object] = {
        "model_name": response.model,
        "model_version": response.version,
    }
    if response.id:
        document["id"] = response.id
    document["outputs"] = described
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return Answer([head, *tail], len(head) if binary else None)


def _classified(tensor: Tensor, classes: int, metadata: ModelMetadata) -> Tensor:
    labels = tuple(metadata.settings.output_labels.get(tensor.name, ()))
    return classify(tensor, classes, labels, metadata.max_batch_size > 0)
