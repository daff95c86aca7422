"""`python -m server.demo.bench.export`: writes models of one format, and what they answer.

A process of its own for each, so that only one framework and one model are in memory at a time.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import numpy as np

from server.demo.bench.scales import FORMATS, SCALES, model_name
from server.demo.naming import VERSION

QUESTION_ROWS = (1, 3)
"""Batches that every model answers after it was written."""

MODULES = dict(zip(FORMATS, ("ops_torch", "ops_tensorflow", "ops_onnx"), strict=True))


def main(arguments: list[str] | None = None) -> int:
    """0 when all is written."""
    parser = argparse.ArgumentParser(prog="server.demo.bench.export", description=__doc__)
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("scale", choices=SCALES)
    parser.add_argument("stage", type=Path, help="the repository to write to")
    parser.add_argument("answers", type=Path, help="the folder for the answers")
    parser.add_argument("architectures", nargs="+")
    options = parser.parse_args(arguments)
    kind = importlib.import_module(f"server.demo.bench.{MODULES[options.format]}")
    for architecture in SCALES[options.scale]:
        if architecture.name not in options.architectures:
            continue
        name = model_name(architecture, options.format)
        folder = options.stage / name / VERSION
        folder.mkdir(parents=True)
        kind.export(architecture, folder)
        questions = [architecture.question(rows) for rows in QUESTION_ROWS]
        answers = kind.predict(architecture, folder, questions)
        np.savez(options.answers / f"{name}.npz", *answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
