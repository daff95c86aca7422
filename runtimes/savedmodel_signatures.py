"""What a SavedModel can be called by: its signatures, their purpose, and the names to show."""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import tensorflow as tf

from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import PREDICT, SERVING_DEFAULT, Datatype, Signature
from runtimes.proto_fields import messages
from runtimes.runtime import LoadError
from runtimes.signature import FoundTensor, reconcile

Concrete: TypeAlias = tf.types.experimental.ConcreteFunction

DATATYPES: dict[tf.DType, Datatype] = {
    tf.bool: Datatype.BOOL,
    tf.uint8: Datatype.UINT8,
    tf.uint16: Datatype.UINT16,
    tf.uint32: Datatype.UINT32,
    tf.uint64: Datatype.UINT64,
    tf.int8: Datatype.INT8,
    tf.int16: Datatype.INT16,
    tf.int32: Datatype.INT32,
    tf.int64: Datatype.INT64,
    tf.float16: Datatype.FP16,
    tf.bfloat16: Datatype.BF16,
    tf.float32: Datatype.FP32,
    tf.float64: Datatype.FP64,
    tf.string: Datatype.BYTES,
}

_META_GRAPHS = 2  # of SavedModel
_SIGNATURE_DEF = 5  # of MetaGraphDef, a map: each entry has its key in field 1, its value in 2
_METHOD_NAME = 3  # of SignatureDef
_INTERNAL = "__saved_model"  # how TensorFlow names operations that it keeps among the signatures

# Keras counts the tensors of a process and names an input by the count where nobody named it, so
# that the same code gives another name with every export.
_COUNTED = re.compile(r"keras_tensor(_\d+)?")

_WRITES = re.compile(
    r"Assign.*|.*Resource.*(Apply|Assign|Scatter).*|(Sparse)?Apply.*"
    r"|Scatter(Nd)?(Add|Sub|Mul|Div|Min|Max|Update)"
    r"|Save(V2|Slices)?|MergeV2Checkpoints|WriteFile|LookupTable(Insert|Import|Remove).*"
)


@dataclass(frozen=True, slots=True)
class Names:
    """The artifact's own name behind each one that clients see."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def choose_default(signatures: Mapping[str, Concrete], wanted: str | None) -> str:
    """The signature that requests mean which name none. Raises LoadError listing those there are.

    It is `wanted`, else `serving_default`, else the only one.
    """
    if not signatures:
        raise LoadError(
            "the SavedModel has no signatures. Save it with "
            "tf.saved_model.save(model, folder, signatures={'serving_default': ...})"
        )
    names = ", ".join(f"'{name}'" for name in sorted(signatures))
    if wanted is not None:
        if wanted not in signatures:
            raise LoadError(
                f"the SavedModel has no signature '{wanted}'; it has {names}. Choose one with the "
                "option 'signature' in model.yaml"
            )
        return wanted
    if SERVING_DEFAULT in signatures:
        return SERVING_DEFAULT
    if len(signatures) > 1:
        raise LoadError(
            f"the SavedModel has the signatures {names}, none of them '{SERVING_DEFAULT}'. Choose "
            "the default one with the option 'signature' in model.yaml"
        )
    return next(iter(signatures))


def named_functions(loaded: tf.Module) -> dict[str, Concrete]:
    """Every signature of a loaded SavedModel by its name."""
    found: Mapping[str, Concrete] = getattr(loaded, "signatures", {})
    return {name: found[name] for name in found if not name.startswith(_INTERNAL)}


def method_names(artifact: str) -> dict[str, str]:
    """What each signature is for, as `saved_model.pb` says; not all need be there."""
    path = Path(artifact) / "saved_model.pb"
    found: dict[str, str] = {}
    try:
        # The graph in it may have 2 GB: what is not read is not even brought into memory. It is
        # unmapped when the last view of it is gone, which may be one in a traceback.
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        _note_methods(memoryview(data), found)
    except (OSError, ValueError):  # a text form, or none that this can read: TensorFlow decides
        pass
    return found


def _note_methods(data: memoryview, found: dict[str, str]) -> None:
    for graph in messages(data, _META_GRAPHS):
        for entry in messages(graph, _SIGNATURE_DEF):
            name = b"".join(messages(entry, 1)).decode()
            definition = b"".join(messages(entry, 2))
            method = b"".join(messages(definition, _METHOD_NAME)).decode()
            found[name] = method or PREDICT


def read_signature(
    loaded: tf.Module, function: Concrete, spec: ModelSpec
) -> tuple[Signature, Names]:
    """Inputs and outputs, held against what `spec` declares, and the names behind theirs.

    Raises LoadError for a tensor that cannot be served.
    """
    arguments = function.structured_input_signature[1]
    inputs = _shown(arguments, "input", _positions(loaded, arguments))
    outputs = _shown(function.structured_outputs, "output", {})
    # TensorFlow keeps both as mappings whose order is not the author's: sorted is at least stable.
    return Signature(
        reconcile(
            "input",
            spec.inputs,
            [_found("input", name, inputs[name][1]) for name in sorted(inputs, key=_natural)],
        ),
        reconcile(
            "output",
            spec.outputs,
            [_found("output", name, outputs[name][1]) for name in sorted(outputs, key=_natural)],
        ),
    ), Names(
        {name: own for name, (own, _) in inputs.items()},
        {name: own for name, (own, _) in outputs.items()},
    )


def _positions(loaded: tf.Module, arguments: Mapping[str, tf.TypeSpec]) -> dict[str, int]:
    """Where each argument stands for who wrote the model; nothing where that is not told.

    A signature has its arguments by name only. The function that it was made from is saved beside
    it, and has them in order.
    """
    for saved in vars(loaded).values():
        for concrete in getattr(saved, "concrete_functions", ()):
            taken = tf.nest.flatten(concrete.structured_input_signature)
            names = [str(getattr(one, "name", "")) for one in taken]
            if set(names) == set(arguments):
                return {name: at for at, name in enumerate(names)}
    return {}


def _shown(
    tensors: Mapping[str, tf.TypeSpec], kind: str, positions: Mapping[str, int]
) -> dict[str, tuple[str, tf.TypeSpec]]:
    """By the name to show: the own name, and what it is. Counted names become `input_0`, ..."""
    counted = [name for name in tensors if _COUNTED.fullmatch(name)]
    counted.sort(key=lambda name: (positions.get(name, len(positions)), _natural(name)))
    stable = {name: f"{kind}_{at}" for at, name in enumerate(counted)}
    if any(name in tensors for name in stable.values()):
        stable = {}
    return {stable.get(name, name): (name, tensor) for name, tensor in tensors.items()}


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts numbers in names by their value: `input_2` before `input_10`."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


def _found(kind: str, name: str, spec: tf.TypeSpec | tf.Tensor) -> FoundTensor:
    # The outputs of what TF1 saved are tensors of its graph.
    if not isinstance(spec, tf.TensorSpec | tf.Tensor):
        raise LoadError(
            f"{kind} '{name}' is a {type(spec).__name__}; only dense tensors are served"
        )
    datatype = DATATYPES.get(spec.dtype)
    if datatype is None:
        raise LoadError(f"{kind} '{name}' is {spec.dtype.name}, which no request can carry")
    if spec.shape.rank is None:
        return FoundTensor(name, datatype, None)
    return FoundTensor(
        name, datatype, tuple(-1 if dim is None else dim for dim in spec.shape.as_list())
    )


def writes(function: Concrete) -> str:
    """An operation by which a call changes the model or files, "" where there is none."""
    kinds = {operation.type for operation in function.graph.get_operations()}
    if any("Call" in kind or kind in ("If", "While", "Case") for kind in kinds):
        library = function.graph.as_graph_def().library
        kinds |= {node.op for inner in library.function for node in inner.node_def}
    return next((kind for kind in sorted(kinds) if _WRITES.fullmatch(kind)), "")
