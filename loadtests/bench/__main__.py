"""`python -m loadtests.bench`: measures what serving costs and writes what it found."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from loadtests.bench.bench import Bench
from loadtests.bench.machine import this_machine
from loadtests.bench.plan import PLAIN, Flags, Options, plan
from loadtests.bench.report import to_json, to_markdown
from loadtests.generator.process import ROOT

QUICK = Options(seconds=1, rounds=1, starts=1, quick=True)


def main(arguments: list[str] | None = None) -> int:
    """0 where all was measured and every answer was right, else 1; 2 for wrong arguments."""
    parser = _parser()
    given = parser.parse_args(arguments)
    base = QUICK if given.quick else Options()
    options = replace(
        base,
        seconds=given.seconds or base.seconds,
        rounds=given.rounds or base.rounds,
        only=tuple(given.only),
        variants={PLAIN: (), **dict(given.variant)},
    )
    if not plan(options):
        parser.error(f"--only {' '.join(options.only)} matches nothing; see --help for the names")
    machine = this_machine()
    with tempfile.TemporaryDirectory(prefix="underway-bench-") as work:
        bench = Bench(options, given.demo, Path(work), lambda text: print(text, flush=True))
        bench.run()
    records = bench.records
    given.out.mkdir(parents=True, exist_ok=True)
    text = to_markdown(records, machine, options)
    (given.out / "result.md").write_text(text)
    (given.out / "result.json").write_text(to_json(records, machine, options))
    print(f"\n{text}\nWritten to {given.out}: result.md, result.json")
    return 1 if records.problems or records.interrupted else 0


def _variant(text: str) -> tuple[str, Flags]:
    name, _, flags = text.partition("=")
    if not name or not flags:
        raise argparse.ArgumentTypeError("expected NAME=FLAGS, such as 'two=--frontends 2'")
    return name, tuple(shlex.split(flags))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=(
            "A load's name is GROUP/MODEL/SERVER/PROTOCOL/CONCURRENCY, such as "
            "small/digits-onnx/python/rest-binary/64.\nGroups: small (echo, digits), large "
            "(image), heavy, batching, frontends, starts.\nProtocols: rest-json, rest-binary, grpc."
        ),
    )
    parser.add_argument("--quick", action="store_true", help="a minute, for a first look")
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATTERN",
        help="loads whose name holds it; * stands for anything; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--variant", action="append", default=[], type=_variant, metavar="NAME=FLAGS",
        help="measure the server with these flags too; may be repeated",
    )  # fmt: skip
    parser.add_argument("--seconds", type=int, default=0, help="of one load (2)")
    parser.add_argument("--rounds", type=int, default=0, help="repetitions of each load (3)")
    parser.add_argument("--demo", type=Path, default=ROOT / ".demo/models", help="demo models")
    parser.add_argument("--out", type=Path, default=ROOT / ".bench/bench", help="results")
    return parser


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
