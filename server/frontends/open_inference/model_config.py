"""A model's configuration in the words of the model configuration extension.

The result has the JSON field names of the protocol's `ModelConfig` message (snake case), so that
REST sends it as it is and gRPC parses the message out of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from runtimes.contract.tensor import Datatype, TensorSpec
from server.frontends.open_inference.signatures import described
from server.planes import ModelMetadata
from server.repository.settings import ModelSettings, VersionPolicy

# What clients expect to read in `backend`; a runtime without an entry goes by its own name.
_BACKENDS = {"onnx": "onnxruntime", "torchscript": "pytorch", "savedmodel": "tensorflow"}


def model_config(metadata: ModelMetadata) -> dict[str, object]:
    """The `ModelConfig` of a ready version as a JSON-ready dict."""
    batched = metadata.max_batch_size > 0
    settings = metadata.settings
    config: dict[str, object] = {
        "name": metadata.name,
        "platform": metadata.platform,
        "backend": _BACKENDS.get(metadata.runtime, metadata.runtime),
        "version_policy": _version_policy(settings.version_policy),
        "max_batch_size": metadata.max_batch_size,
        "input": [_input(spec, batched) for spec in metadata.signature.inputs],
        "output": [_tensor(spec, batched) for spec in metadata.signature.outputs],
        "instance_group": _instance_groups(metadata.name, settings),
        "default_model_filename": settings.default_artifact,
        "model_transaction_policy": {"decoupled": False},
    }
    if settings.batching is not None and batched:
        config["dynamic_batching"] = {
            "max_queue_delay_microseconds": settings.batching.max_queue_delay_us
        }
    if told := described(metadata):
        # Parameters are texts: what REST's metadata has as it is, the message has as JSON.
        config["parameters"] = {
            "default_signature": {"string_value": metadata.default_signature},
            "signatures": {"string_value": json.dumps(told["signatures"])},
        }
    return config


def _version_policy(policy: VersionPolicy) -> dict[str, object]:
    if policy.specific:
        return {"specific": {"versions": list(policy.specific)}}
    if policy.latest is not None:
        return {"latest": {"num_versions": policy.latest}}
    return {"all": {}}


def _tensor(spec: TensorSpec, batched: bool) -> dict[str, object]:
    dims = list(spec.shape[1:] if batched else spec.shape)
    described: dict[str, object] = {
        "name": spec.name,
        "data_type": _data_type(spec.datatype),
        "dims": dims or [1],
    }
    if not dims:
        # The message cannot say "no dimensions": it says one element, reshaped to none.
        described["reshape"] = {"shape": []}
    return described


def _input(spec: TensorSpec, batched: bool) -> dict[str, object]:
    return _tensor(spec, batched) | {"format": "FORMAT_NONE", "optional": spec.optional}


def _data_type(datatype: Datatype) -> str:
    return "TYPE_STRING" if datatype is Datatype.BYTES else f"TYPE_{datatype.value}"


def _instance_groups(model: str, settings: ModelSettings) -> list[dict[str, object]]:
    """One group per device, because a group's count holds for each of its devices."""
    per_device = Counter(_dealt(settings.devices, settings.workers))
    return [
        {"name": f"{model}_{number}", "count": count} | _placement(device)
        for number, (device, count) in enumerate(per_device.items())
    ]


def _dealt(devices: tuple[str, ...], workers: int) -> Iterable[str]:
    return (devices[number % len(devices)] for number in range(workers))


def _placement(device: str) -> dict[str, object]:
    kind, _, ordinal = device.partition(":")
    if kind == "cuda":
        return {"kind": "KIND_GPU", "gpus": [int(ordinal or 0)]}
    return {"kind": "KIND_CPU" if kind == "cpu" else "KIND_AUTO"}
