"""A raw binary request: the body is one tensor and nothing else, all the rest is deduced."""

from __future__ import annotations

import math

from runtimes.contract.tensor import DYNAMIC, ITEM_SIZE, Buffer, Datatype, Tensor, pack_bytes
from server.errors import InvalidArgument
from server.frontends.open_inference.rest_request import AnswerForm, OutputForm
from server.inference import InferenceRequest, check_size
from server.planes import ModelMetadata


def decode_raw(
    metadata: ModelMetadata, version: str, body: Buffer
) -> tuple[InferenceRequest, AnswerForm]:
    """Make `body` the model's only input, with batch size 1 and every output sent binary.

    One dynamic dimension besides the batch is deduced from the number of bytes. A BYTES input has
    one element, the body itself. Raises InvalidArgument where the shape cannot be told.
    """
    specs = metadata.signature.inputs
    if len(specs) != 1:
        raise InvalidArgument(
            f"a raw binary request needs a model with exactly 1 input; '{metadata.name}' has "
            f"{len(specs)}. Send the inputs as JSON or with a JSON header"
        )
    spec = specs[0]
    dims = [1, *spec.shape[1:]] if metadata.max_batch_size and spec.shape else list(spec.shape)
    data: Buffer
    if spec.datatype is Datatype.BYTES:
        shape = tuple(1 if dim == DYNAMIC else dim for dim in dims)
        if math.prod(shape) != 1:
            raise InvalidArgument(
                f"a raw binary request carries 1 BYTES element; input '{spec.name}' of shape "
                f"{list(shape)} has {math.prod(shape)}"
            )
        data = pack_bytes([bytes(body)])
    else:
        shape = _deduced(spec.name, spec.datatype, dims, len(body))
        data = memoryview(body)
    tensor = Tensor(spec.name, spec.datatype, shape, data)
    check_size(tensor)
    request = InferenceRequest(model=metadata.name, version=version, inputs=(tensor,))
    return request, AnswerForm(OutputForm(binary=True))


def _deduced(name: str, datatype: Datatype, dims: list[int], size: int) -> tuple[int, ...]:
    unknown = [index for index, dim in enumerate(dims) if dim == DYNAMIC]
    if not unknown:
        return tuple(dims)
    if len(unknown) > 1:
        raise InvalidArgument(
            f"input '{name}' of shape {dims} has {len(unknown)} dynamic dimensions; a raw binary "
            "request lets at most 1 be deduced. Send the shape in a JSON header"
        )
    row = ITEM_SIZE[datatype] * math.prod(dim for dim in dims if dim != DYNAMIC)
    if row == 0 or size % row:
        raise InvalidArgument(
            f"input '{name}' of shape {dims} takes a multiple of {row} bytes, got {size}"
        )
    dims[unknown[0]] = size // row
    return tuple(dims)
