"""What a ModelSpec chooses: a model, a version and a signature, and TensorFlow Serving's words
where there is none.

Its words and codes: core/basic_manager.cc, model_servers/server_core.cc and
servables/tensorflow/predict_util.cc of TensorFlow Serving.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protos import tfs_api_pb2 as pb
from runtimes.contract.tensor import PREDICT, Signature
from server.errors import FailedPrecondition, InvalidArgument, NotFound, ServingError
from server.planes import DataPlane, ModelMetadata
from server.repository.names import is_label

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"

_SHOWN = 256


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model with a version or a label, at most one of them set, and the name of a signature, ""
    for the default one. `version` is a number as text.
    """

    model: str
    version: str = ""
    label: str = ""
    signature: str = ""

    @property
    def asked(self) -> str:
        """The version as the data plane wants it."""
        return self.label or self.version


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen: `signature` is called `name`, and answers method `method`."""

    choice: ModelChoice
    metadata: ModelMetadata
    name: str
    signature: Signature
    method: str


MissingSignature = Callable[[str], ServingError]


def choice_of(spec: pb.ModelSpec) -> ModelChoice:
    """What `spec` chooses; raises InvalidArgument where it names no model."""
    if not spec.name:
        raise InvalidArgument(
            "Missing ModelSpec" if not spec.ByteSize() else "ModelSpec has no name"
        )
    version = str(spec.version.value) if spec.HasField("version") else ""
    label = spec.version_label if spec.HasField("version_label") else ""
    return ModelChoice(spec.name, version, label, spec.signature_name)


def find(data: DataPlane, choice: ModelChoice) -> ModelMetadata:
    """The version chosen. Raises NotFound, InvalidArgument for an unknown label, Unavailable for
    what is known but cannot answer.
    """
    if choice.label and not is_label(choice.label):
        raise unknown_label(choice.label)
    try:
        return data.metadata(choice.model, choice.asked)
    except NotFound:
        raise not_found(choice) from None


def not_found(choice: ModelChoice) -> ServingError:
    """TensorFlow Serving's words for what there is not."""
    model = choice.model[:_SHOWN]
    if choice.label:
        return unknown_label(choice.label)
    if choice.version:
        return NotFound(f"Servable not found for request: Specific({model}, {choice.version})")
    return NotFound(f"Servable not found for request: Latest({model})")


def unknown_label(label: str) -> InvalidArgument:
    """The same for a label."""
    return InvalidArgument(f"Unrecognized servable version label: {label[:_SHOWN]}")


def choose(data: DataPlane, choice: ModelChoice, missing: MissingSignature) -> Chosen:
    """Version and signature of `choice`; raises as `find`, and `missing` for the signature."""
    metadata = find(data, choice)
    name = choice.signature or metadata.default_signature
    found = signatures_of(metadata).get(name)
    if found is None:
        raise missing(name[:_SHOWN])
    return Chosen(choice, metadata, name, *found)


def signatures_of(metadata: ModelMetadata) -> Mapping[str, tuple[Signature, str]]:
    """Every signature of a version with its method's name, by its own."""
    methods = metadata.method_names
    all_of_them = metadata.signatures or {metadata.default_signature: metadata.signature}
    return {name: (one, methods.get(name, PREDICT)) for name, one in all_of_them.items()}


def missing_for_predict(signature: str) -> ServingError:
    """A signature that is not there, in a Predict call."""
    return FailedPrecondition(f'Serving signature key "{signature}" not found.')


def missing_for_rest(signature: str) -> ServingError:
    """The same in a REST call."""
    return InvalidArgument(f'Serving signature name: "{signature}" not found in signature def')


def missing_for_examples(signature: str) -> ServingError:
    """The same in a call with examples."""
    return InvalidArgument(f"No signature was found with the name: {signature}")
