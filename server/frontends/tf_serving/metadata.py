"""What a version takes and gives, as TensorFlow Serving tells it: its signatures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as pb
from runtimes.contract.tensor import TensorSpec
from server.errors import InvalidArgument
from server.frontends.tf_serving.choice import signatures_of
from server.frontends.tf_serving.datatypes import TENSORFLOW
from server.planes import ModelMetadata

SIGNATURE_DEF = "signature_def"


def check_fields(fields: Sequence[str]) -> None:
    """Raises InvalidArgument unless signatures, and nothing else, are asked for."""
    if not fields:
        raise InvalidArgument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in fields:
        if field != SIGNATURE_DEF:
            raise InvalidArgument(f"Metadata field {field[:256]} is not supported")


def signature_defs(metadata: ModelMetadata) -> pb.SignatureDefMap:
    """All signatures of a version by name."""
    found = pb.SignatureDefMap()
    for name, (signature, method) in signatures_of(metadata).items():
        described = found.signature_def[name]
        described.method_name = method
        _describe(described.inputs, signature.inputs)
        _describe(described.outputs, signature.outputs)
    return found


def _describe(infos: Mapping[str, core.TensorInfo], specs: Iterable[TensorSpec]) -> None:
    for spec in specs:
        info = infos[spec.name]
        # TensorFlow has the name of a tensor in its graph here, which only itself can use.
        info.name = f"{spec.name}:0"
        info.dtype = TENSORFLOW[spec.datatype]
        info.tensor_shape.SetInParent()
        for size in spec.shape:
            info.tensor_shape.dim.add(size=size)
