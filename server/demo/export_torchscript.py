"""Digits as TorchScript: one frozen file that carries its own signature."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from server.demo.digits import DigitsNetwork
from server.demo.naming import IMAGE, IMAGE_SHAPE, PROBABILITIES, PROBABILITIES_SHAPE

# TorchScript has no names and shapes of its own, so they travel in an extra file of the archive.
SIGNATURE_FILE = "signature.json"
SIGNATURE = {
    "inputs": [{"name": IMAGE, "datatype": "FP32", "shape": IMAGE_SHAPE}],
    "outputs": [{"name": PROBABILITIES, "datatype": "FP32", "shape": PROBABILITIES_SHAPE}],
}


def export(network: DigitsNetwork, version_folder: Path) -> None:
    """Write `model.pt` into the folder."""
    with warnings.catch_warnings():
        # torch announces the end of TorchScript on every call; the format is what we serve here.
        warnings.simplefilter("ignore", DeprecationWarning)
        frozen = torch.jit.freeze(torch.jit.script(network))
        torch.jit.save(
            frozen,
            str(version_folder / "model.pt"),
            _extra_files={SIGNATURE_FILE: json.dumps(SIGNATURE)},
        )


def predict(version_folder: Path, batches: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Load what was written and run it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = torch.jit.load(str(version_folder / "model.pt"))  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        return [model(torch.from_numpy(batch)).numpy() for batch in batches]
