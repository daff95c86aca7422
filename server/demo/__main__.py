"""`python -m server.demo DIR`: the demo builder as a process of its own."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from server.demo.bench.build import build as build_bench
from server.demo.bench.scales import SCALES
from server.demo.build import build
from server.demo.errors import DemoError

FAILED = 1
INTERRUPTED = 130
TERMINATED = 143


def main(arguments: list[str] | None = None) -> int:
    """Build into the directory named; 0 when it is there, 1 with a reason when it is not."""
    parser = argparse.ArgumentParser(
        prog="underway demo",
        description="Write a model repository with four small, real models: handwritten digits "
        "as TorchScript, SavedModel and ONNX, and a language classifier that takes strings.",
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="new, empty, or an earlier one")
    parser.add_argument("--verbose", action="store_true", help="show the frameworks' messages too")
    parser.add_argument(
        "--bench", action="store_true", help="bigger models instead: shapes of ResNet-50, BERT-base"
    )
    parser.add_argument("--bench-scale", choices=SCALES, default="full", help="tiny: for a trial")
    options = parser.parse_args(arguments)

    signal.signal(signal.SIGTERM, _leave)
    _calm_frameworks()
    try:
        if options.bench:
            build_bench(options.directory, options.bench_scale, _say)
        else:
            build(options.directory, _say, verbose=options.verbose)
    except DemoError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{options.directory} can't be written: {error.strerror or error}")
    except KeyboardInterrupt:
        _fail("interrupted; no half-built repository was left behind")
        return INTERRUPTED
    return 0


def _calm_frameworks() -> None:
    """Settings that must stand before the frameworks are imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Tiny models: a GPU would only cost start-up time, and parity is promised for the CPU.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def _say(line: str) -> None:
    print(line, flush=True)


def _fail(reason: str) -> int:
    print(f"underway demo: {reason}", file=sys.stderr, flush=True)
    return FAILED


def _leave(number: int, frame: FrameType | None) -> None:
    """End by way of an exception, so that the staging folder is cleaned up."""
    raise SystemExit(TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
