"""The one precision setting: how exactly FP32 arithmetic is done, meaning the same everywhere.

fp32   every FP32 product is computed in full; no TF32
tf32   a GPU may round the factors of FP32 products to TF32; no effect on a CPU
fp16   FP32 tensors at the edges, half precision within
"""

from __future__ import annotations

from runtimes.contract.messages import ModelSpec
from runtimes.runtime import LoadError

PRECISIONS = ("fp32", "tf32", "fp16")


def check_precision(spec: ModelSpec, artifact: str = "") -> None:
    """Refuse an unknown precision, and fp16 where `artifact` names a format fixed when exported.

    Raises LoadError.
    """
    if spec.precision not in PRECISIONS:
        raise LoadError(f"precision is '{spec.precision}', expected one of {', '.join(PRECISIONS)}")
    if spec.precision == "fp16" and artifact:
        raise LoadError(
            f"precision fp16 cannot be applied to {artifact}, whose arithmetic is fixed when it is "
            "exported. Publish a half-precision artifact, or use precision fp32 or tf32"
        )


def precision_fact(spec: ModelSpec, on_gpu: bool) -> str:
    """The precision in a few words for people."""
    if spec.precision == "tf32" and not on_gpu:
        return "fp32 (tf32 has no effect on a CPU)"
    return spec.precision
