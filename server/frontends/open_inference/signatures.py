"""A model's signatures as clients read them: our addition to the protocol, which knows only one."""

from __future__ import annotations

from runtimes.contract.tensor import TensorSpec
from server.planes import ModelMetadata


def described(metadata: ModelMetadata) -> dict[str, object]:
    """What is told of each signature by its name; nothing where there is only one."""
    if len(metadata.signatures) < 2:
        return {}
    return {
        "default_signature": metadata.default_signature,
        "signatures": {
            name: {
                "method_name": metadata.method_names[name],
                "max_batch_size": metadata.max_batch_sizes[name],
                "inputs": [described_tensor(spec) for spec in signature.inputs],
                "outputs": [described_tensor(spec) for spec in signature.outputs],
            }
            for name, signature in metadata.signatures.items()
        },
    }


def described_tensor(spec: TensorSpec) -> dict[str, object]:
    """An input or output, batch dimension included."""
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
