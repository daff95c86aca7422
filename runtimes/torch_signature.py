"""What a TorchScript artifact tells of itself, and how declared names meet forward's arguments."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import MAX_RANK, Datatype, Signature, TensorSpec
from runtimes.runtime import LoadError

EXTRA_FILE = "signature.json"
MAX_EXTRA_FILE = 2**20

_INDEXED = re.compile(r".*__(\d{1,4})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of forward; `required` where it has no default."""

    name: str
    type: str
    required: bool

    @property
    def is_tensor(self) -> bool:
        """Whether a request's tensor can be passed."""
        return self.type in ("Tensor", "Optional[Tensor]")


@dataclass(frozen=True, slots=True)
class Embedded:
    """The content of signature.json inside the artifact."""

    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    max_batch_size: int | None = None


def parse_embedded(text: bytes) -> Embedded:
    """The signature in `text`; nothing where it is empty. Raises LoadError naming the field."""
    if not text:
        return Embedded()
    if len(text) > MAX_EXTRA_FILE:
        raise LoadError(f"{EXTRA_FILE} has {len(text)} bytes, expected at most {MAX_EXTRA_FILE}")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{EXTRA_FILE} in the artifact is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise LoadError(f"{EXTRA_FILE} in the artifact must be an object")
    if unknown := sorted(fields.keys() - {"inputs", "outputs", "max_batch_size"}):
        raise LoadError(f"{EXTRA_FILE} has the unknown field '{unknown[0]}'")
    rows = fields.get("max_batch_size")
    if rows is not None and (type(rows) is not int or rows < 0):
        raise LoadError(f"{EXTRA_FILE}: max_batch_size must be a whole number of 0 or more")
    return Embedded(_specs(fields, "inputs"), _specs(fields, "outputs"), rows)


def _specs(fields: dict[str, object], key: str) -> tuple[TensorSpec, ...]:
    items = fields.get(key, [])
    if not isinstance(items, list):
        raise LoadError(f"{EXTRA_FILE}: {key} must be a list")
    specs = tuple(_spec(item, f"{EXTRA_FILE}: {key}[{index}]") for index, item in enumerate(items))
    if len({spec.name for spec in specs}) != len(specs):
        raise LoadError(f"{EXTRA_FILE}: {key} has a name twice")
    return specs


def _spec(item: object, where: str) -> TensorSpec:
    if not isinstance(item, dict) or item.keys() != {"name", "datatype", "shape"}:
        raise LoadError(f"{where} must be an object with name, datatype and shape")
    name, datatype, shape = item["name"], item["datatype"], item["shape"]
    if not isinstance(name, str) or not name:
        raise LoadError(f"{where}.name must be a text")
    if datatype not in list(Datatype):
        raise LoadError(f"{where}.datatype must be one of {', '.join(Datatype)}")
    sizes = shape if isinstance(shape, list) else []
    fits = len(sizes) <= MAX_RANK and all(type(dim) is int and dim >= -1 for dim in sizes)
    if not isinstance(shape, list) or not fits:
        raise LoadError(f"{where}.shape must be a list of sizes, -1 for any")
    return TensorSpec(name, Datatype(datatype), tuple(sizes))


def choose_signature(
    spec: ModelSpec, embedded: Embedded, arguments: Sequence[Argument], returns: str
) -> tuple[Signature, str]:
    """The signature to serve and where it came from: the configuration first, then the artifact.

    `returns` is forward's return type. Raises LoadError showing the YAML to add where neither
    tells.
    """
    signature = Signature(spec.inputs or embedded.inputs, spec.outputs or embedded.outputs)
    if not signature.inputs or not signature.outputs:
        raise LoadError(_yaml_to_add(signature, arguments, returns))
    origins = [
        "configuration" if declared else EXTRA_FILE for declared in (spec.inputs, spec.outputs)
    ]
    return signature, origins[0] if origins[0] == origins[1] else " and ".join(origins)


def _yaml_to_add(signature: Signature, arguments: Sequence[Argument], returns: str) -> str:
    lines = [
        "a TorchScript artifact does not tell its datatypes and shapes. Add to the model's "
        "model.yaml, with the right datatypes and shapes (-1 for any size):"
    ]
    if not signature.inputs:
        lines.append("inputs:")
        lines += [_yaml_line(item.name) for item in arguments if item.is_tensor]
    if not signature.outputs:
        lines.append("outputs:")
        count = max(1, returns.count("Tensor")) if returns.startswith("Tuple[") else 1
        names = ["output"] if count == 1 else [f"output_{index}" for index in range(count)]
        lines += [_yaml_line(name) for name in names]
    return "\n".join(lines)


def _yaml_line(name: str) -> str:
    return f"  - {{name: {name}, datatype: FP32, shape: [-1, -1]}}"


def map_inputs(specs: Sequence[TensorSpec], arguments: Sequence[Argument]) -> dict[str, int]:
    """The position in forward of every input: by `__N` suffix, else by name, else in order.

    Raises LoadError where the names fit only in part or an argument is left without a value.
    """
    names = [spec.name for spec in specs]
    positions = {argument.name: position for position, argument in enumerate(arguments)}
    listed = ", ".join(f"'{name}'" for name in positions) or "none"
    if (indexed := _indices(names)) is not None:
        mapped = indexed
    elif matched := [name for name in names if name in positions]:
        if len(matched) < len(names):
            strange = next(name for name in names if name not in positions)
            raise LoadError(
                f"input '{strange}' is none of forward's arguments ({listed}), although others are"
            )
        mapped = {name: positions[name] for name in names}
    else:
        mapped = {name: position for position, name in enumerate(names)}
    for name, position in mapped.items():
        if position >= len(arguments):
            raise LoadError(
                f"input '{name}' would be argument {position} of forward, which takes "
                f"{len(arguments)}: {listed}"
            )
    _check_arguments(specs, arguments, mapped)
    return mapped


def _check_arguments(
    specs: Sequence[TensorSpec], arguments: Sequence[Argument], mapped: dict[str, int]
) -> None:
    optional = {mapped[spec.name] for spec in specs if spec.optional}
    for position, argument in enumerate(arguments):
        given = position in mapped.values()
        if given and not argument.is_tensor:
            raise LoadError(
                f"forward's argument '{argument.name}' is of type {argument.type}; only tensors "
                "can be served"
            )
        if argument.required and (not given or position in optional):
            raise LoadError(
                f"forward's argument '{argument.name}' has no default and no input is declared "
                "for it that is always sent"
            )


def map_outputs(specs: Sequence[TensorSpec]) -> dict[str, int]:
    """The position of every output in what forward returns: by `__N` suffix, else in order."""
    names = [spec.name for spec in specs]
    indexed = _indices(names)
    return {name: i for i, name in enumerate(names)} if indexed is None else indexed


def _indices(names: Sequence[str]) -> dict[str, int] | None:
    """The N of every `<anything>__N`, or None where a name is not of that form."""
    found = [_INDEXED.fullmatch(name) for name in names]
    indexed = {name: int(match[1]) for name, match in zip(names, found, strict=True) if match}
    if len(indexed) < len(names):
        return None
    if len(set(indexed.values())) < len(indexed):
        raise LoadError("two names end in the same '__N': " + ", ".join(names))
    return indexed
