"""Why runtimes that compute the same model differ in the last places: what is known of it (pure).

Floating-point addition is not associative (Goldberg, "What every computer scientist should know
about floating-point arithmetic", 1991), so whoever adds in another order gets another last place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loadtests.compare.parity import OutputParity
from loadtests.compare.terms import TermValues

ROUNDING = 256.0
"""Units in the last place: up to here it is the order of additions, in networks of usual depth."""

HALVED = 2.0**14
"""Up to here it is what a TF32 or FP16 factor loses: 13 of 23 bits, and some for the depth."""


def size_of(output: OutputParity) -> str:
    """What a difference of this size is, in a few words."""
    if output.problem:
        return output.problem
    if output.equal == 1.0:
        return "the same to the bit"
    if output.epsilons is None:
        return f"{1 - output.equal:.2%} of the elements are others"
    if output.epsilons <= ROUNDING:
        return f"rounding: about {max(output.epsilons, 0.1):.2g} in the last place"
    if output.epsilons <= HALVED:
        return "as much as a reduced precision loses"
    return "more than rounding: another model, or other weights"


def explanations(runtimes: Mapping[str, str], terms: Mapping[str, TermValues]) -> list[str]:
    """What makes the candidates differ; `runtimes` is "" where one is not known."""
    found = []
    known = {runtime for runtime in runtimes.values() if runtime and runtime != "echo"}
    if unknown := [name for name, runtime in runtimes.items() if not runtime]:
        found.append(
            f"What computes behind {', '.join(unknown)} is not told: another runtime adds up in "
            "another order and fuses other operators, and on a GPU may use TF32."
        )
    if len(known) > 1:
        found.append(
            "Runtimes have kernels of their own (oneDNN, Eigen, MLAS, cuDNN), which add up the "
            "same products in another order. In FP32 each such sum may differ in its last places."
        )
    if "onnx" in known:
        found.append(
            "ONNX Runtime fuses operators when it loads a graph (option "
            "graph_optimization_level, all by default): a normalisation folded into a "
            "convolution rounds once where two operators round twice."
        )
    if "savedmodel" in known:
        found.append(
            "TensorFlow rewrites its graph and may use fused oneDNN kernels "
            "(TF_ENABLE_ONEDNN_OPTS), which round at other places than single operators."
        )
    if "torchscript" in known:
        found.append(
            "TorchScript's profiling executor may fuse element-wise operators once it has seen "
            "shapes; the first passes and later ones may then differ in the last place."
        )
    return found + _of_terms(list(terms.values()))


def _of_terms(terms: Sequence[TermValues]) -> list[str]:
    found = []
    if any(one["threads"] != "1" for one in terms):
        found.append(
            "With several threads a sum is split among them: another number of threads is another "
            "order of additions."
        )
    if any(one["batching"] != "off" for one in terms):
        found.append(
            "With batching, kernels are chosen by the size of the batch, so that one row's answer "
            "may depend in its last place on who shares its batch."
        )
    precisions = {one["precision"] for one in terms}
    if "tf32" in precisions:
        found.append(
            "TF32 rounds the factors of products to 10 bits of mantissa on a GPU: differences of "
            "about a thousandth are to be expected."
        )
    if "fp16" in precisions:
        found.append(
            "FP16 has 10 bits of mantissa and ends at 65504: differences of about a thousandth are "
            "to be expected, and overflow of large numbers."
        )
    if any(one["device"].startswith("cuda") for one in terms) and precisions == {"fp32"}:
        found.append(
            "On GPUs TF32 is switched off for every candidate here (precision: fp32); left to "
            "themselves, TensorFlow and ONNX Runtime would use it, PyTorch in convolutions only."
        )
    return found
