"""`python -m loadtests.swap`: measures swaps under load and writes what it found."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from loadtests.generator.process import ROOT
from loadtests.swap.bench import Measured, Options, measure
from loadtests.swap.questions import MODELS
from loadtests.swap.report import result_of, to_json, to_markdown

QUICK = Options(versions=8, capacity_s=2.0, steady_s=8.0)


def main(arguments: list[str] | None = None) -> int:
    """0 where no request failed and every answer came from a READY version, else 1."""
    given = _parser().parse_args(arguments)
    base = QUICK if given.quick else Options()
    options = replace(
        base,
        model=given.model,
        share=given.share,
        versions=given.versions or base.versions,
        steady_s=given.steady or base.steady_s,
        rate=given.rate,
        every=given.every,
    )
    with tempfile.TemporaryDirectory(prefix="underway-swap-") as work:
        measured = measure(options, given.demo, Path(work), lambda text: print(text, flush=True))
    result = result_of(measured)
    given.out.mkdir(parents=True, exist_ok=True)
    measured.records.save(given.out / "answers.npz")
    (given.out / "result.json").write_text(to_json(result))
    (given.out / "result.md").write_text(to_markdown(result))
    print(f"\n{to_markdown(result)}")
    _draw(measured, given.out / "timeline.png")
    print(f"Written to {given.out}: result.md, result.json, answers.npz")
    return 0 if result.is_good else 1


def _draw(measured: Measured, target: Path) -> None:
    try:
        from loadtests.swap.picture import draw
    except ImportError:
        print("No picture: matplotlib is missing (pip install 'underway[loadtests]').")
        return
    draw(measured, target)
    print(f"The picture is {target}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests.swap", description=__doc__)
    parser.add_argument("--model", choices=MODELS, default=MODELS[0], help="which one is swapped")
    parser.add_argument("--versions", type=int, default=0, help="new versions (50)")
    parser.add_argument("--share", type=float, default=0.6, help="load over capacity (0.6)")
    parser.add_argument("--rate", type=float, default=0.0, help="requests/s; no capacity measured")
    parser.add_argument("--steady", type=float, default=0.0, help="seconds before the swaps (40)")
    parser.add_argument("--every", type=float, default=1.0, help="seconds; 0: without pause (1)")
    parser.add_argument("--quick", action="store_true", help="half a minute, for a first look")
    parser.add_argument("--demo", type=Path, default=ROOT / ".demo/models", help="demo models")
    parser.add_argument("--out", type=Path, default=ROOT / ".bench/swap", help="results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
