"""An InferenceResponse as the body of a REST answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from runtimes.contract.tensor import Buffer, Tensor
from server.frontends.open_inference.classification import classify
from server.frontends.open_inference.json_tensors import encode_data
from server.frontends.open_inference.rest_request import AnswerForm
from server.inference import InferenceResponse
from server.planes import ModelMetadata


@dataclass(frozen=True, slots=True)
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
