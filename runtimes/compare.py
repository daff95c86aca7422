"""Whether an answer is near enough to the expected one, and where it is furthest off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtimes.arrays import Array, to_array
from runtimes.contract.tensor import Datatype, Tensor

MAX_SHOWN = 60

_FLOATS = (Datatype.FP16, Datatype.BF16, Datatype.FP32, Datatype.FP64)


def difference(answer: Tensor, expected: Array, rtol: float, atol: float) -> str | None:
    """How `answer` differs from `expected`, to follow the output's name; None where it does not.

    Floats may be off by `atol + rtol * |expected|`, and NaN equals NaN; all else must be equal.
    BF16 is compared as the numbers it stands for, against float32.
    """
    if tuple(answer.shape) != expected.shape:
        return f"has the shape {list(answer.shape)}, expected {list(expected.shape)}"
    kinds = _kinds(answer.datatype)
    if expected.dtype.kind not in kinds:
        return f"is {answer.datatype}, but the expected values are {expected.dtype}"
    if answer.datatype in _FLOATS:
        return _floats(_as_float64(answer), expected.astype(np.float64), rtol, atol)
    return _exact(to_array(answer), expected)


def _kinds(datatype: Datatype) -> str:
    """The numpy kinds that values expected of `datatype` may come in."""
    if datatype in _FLOATS:
        return "fiu"
    return {Datatype.BOOL: "b", Datatype.BYTES: "SU"}.get(datatype, "iu")


def _as_float64(tensor: Tensor) -> npt.NDArray[np.float64]:
    array = to_array(tensor)
    if tensor.datatype is Datatype.BF16:
        # BF16 is the upper half of an FP32.
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float64)


def _floats(
    got: npt.NDArray[np.float64], want: npt.NDArray[np.float64], rtol: float, atol: float
) -> str | None:
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(got - want)
        allowed = atol + rtol * np.abs(want)
        near = np.isfinite(got) & np.isfinite(want) & (off <= allowed)
        same = (got == want) | (np.isnan(got) & np.isnan(want))
    wrong = ~(near | same)
    if not wrong.any():
        return None
    # An infinity or a NaN on one side only is as far off as can be.
    at = _index(np.where(wrong, np.where(np.isfinite(off), off, np.inf), -1.0))
    return (
        f"differs: largest difference {off[at]:.6g} at {list(at)} (got {got[at]:.6g}, expected "
        f"{want[at]:.6g}, allowed {allowed[at]:.6g}); {_share(wrong)}"
    )


def _exact(got: Array, want: Array) -> str | None:
    if want.dtype.kind in "SU":
        got, want = _texts(got), _texts(want)
    wrong = np.asarray(got != want, dtype=np.bool_)
    if not wrong.any():
        return None
    at = _index(wrong)
    return (
        f"differs at {list(at)}: got {_shown(got[at])}, expected {_shown(want[at])}; "
        f"{_share(wrong)}"
    )


def _texts(array: Array) -> Array:
    """As an object array of UTF-8, without trailing zero bytes: numpy's own texts lose them."""
    texts = np.empty(array.size, dtype=object)
    texts[:] = [
        (text.encode(errors="replace") if isinstance(text, str) else text).rstrip(b"\0")
        for text in array.reshape(-1).tolist()
    ]
    return texts.reshape(array.shape)


def _index(scores: Array) -> tuple[int, ...]:
    """Where the (first) largest is."""
    return tuple(int(at) for at in np.unravel_index(np.argmax(scores), scores.shape))


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


def _share(wrong: Array) -> str:
    return f"{np.count_nonzero(wrong)} of {wrong.size} values differ"
