"""Golden checks: requests with the answers a version must give before it may be served.

A file `golden/NAME.npz` has the model's inputs and outputs by name, as `input:NAME` and
`output:NAME` where a name is both; any of the outputs may be left out, but not all. The scalars
`rtol` (default 1e-3) and `atol` (1e-5) say how near is near enough; the text `signature_name` says
which signature is asked, the default one where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Signature
from runtimes.reasons import clean_reason
from runtimes.runtime import LoadedModel, LoadError, ModelError
from runtimes.samples import (
    SIGNATURE_KEY,
    check_count,
    check_file,
    check_fits,
    sample_signature,
    unknown_signature,
)

if TYPE_CHECKING:
    from runtimes.arrays import Array

RTOL = 1e-3
ATOL = 1e-5
MAX_TOLERANCE = 1e6


@dataclass(frozen=True, slots=True)
class Golden:
    """What one file says: the request, the answer, and how far it may be off."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    rtol: float = RTOL
    atol: float = ATOL


def check_golden(models: Mapping[str, LoadedModel], spec: ModelSpec) -> int:
    """Check every golden file against the signature it names; returns how many there were.

    `models` has each signature by its name, the default one by "". Raises LoadError naming the
    file, and the output with its largest difference.
    """
    check_count("golden", spec.golden_files)
    for path in map(Path, spec.golden_files):
        try:
            name = sample_signature(path)
            if name not in models:
                raise LoadError(unknown_signature(name, models))
            _check(path, models[name], spec)
        except LoadError as error:
            raise LoadError(f"golden check '{path.name}': {error}") from None
    return len(spec.golden_files)


def sort_out(arrays: Mapping[str, Array], signature: Signature) -> Golden:
    """Tell inputs, outputs and tolerances apart by their keys. Raises LoadError."""
    names = {
        "input": {spec.name for spec in signature.inputs},
        "output": {spec.name for spec in signature.outputs},
    }
    found: dict[str, dict[str, Array]] = {"input": {}, "output": {}}
    tolerances = {"rtol": RTOL, "atol": ATOL}
    for key, array in arrays.items():
        kind, name = _meaning(key, names)
        if kind == "tolerance":
            tolerances[name] = _tolerance(name, array)
        elif name in found[kind]:
            raise LoadError(f"gives {kind} '{name}' twice")
        else:
            found[kind][name] = array
    if not found["output"]:
        raise LoadError("holds no expected output")
    return Golden(found["input"], found["output"], **tolerances)


def _check(path: Path, model: LoadedModel, spec: ModelSpec) -> None:
    # Here, so that an environment without numpy serves as long as there are no golden files.
    from runtimes.compare import difference
    from runtimes.npz import input_tensors, read_npz

    check_file(path)
    arrays = read_npz(path)
    arrays.pop(SIGNATURE_KEY, None)
    golden = sort_out(arrays, model.signature)
    request = input_tensors(golden.inputs, model.signature)
    check_fits(request, model)
    if 0 < model.max_batch_size < request[0].shape[0]:
        raise LoadError(
            f"has {request[0].shape[0]} rows, expected at most max_batch_size, "
            f"{model.max_batch_size}"
        )
    try:
        answers = model.infer(request, list(golden.outputs))
    except ModelError as error:
        raise LoadError(f"the model failed: {error}") from None
    except Exception as error:  # a runtime's own mistake; its text may hold anything
        raise LoadError(f"the model failed: {clean_reason(error, spec)}") from error
    for answer, expected in zip(answers, golden.outputs.values(), strict=True):
        if found := difference(answer, expected, golden.rtol, golden.atol):
            raise LoadError(f"output '{answer.name}' {found}")


def _meaning(key: str, names: Mapping[str, set[str]]) -> tuple[str, str]:
    """Kind and name behind a key of the file."""
    if key in ("rtol", "atol"):
        return "tolerance", key
    kinds = [kind for kind, known in names.items() if key in known]
    if len(kinds) == 1:
        return kinds[0], key
    if kinds:
        raise LoadError(f"'{key}' is both input and output: say 'input:{key}' or 'output:{key}'")
    kind, _, name = key.partition(":")
    if name in names.get(kind, ()):
        return kind, name
    raise LoadError(
        f"unknown name '{key}'; the model's inputs are {_listed(names['input'])}, its outputs "
        f"{_listed(names['output'])}"
    )


def _tolerance(name: str, array: Array) -> float:
    # Written so that NaN is refused as well.
    if array.size != 1 or array.dtype.kind not in "fiu" or not 0 <= array.item() <= MAX_TOLERANCE:
        raise LoadError(f"'{name}' should be one number from 0 to {MAX_TOLERANCE:g}")
    return float(array.item())


def _listed(names: set[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
