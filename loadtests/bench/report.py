"""The result as Markdown for people and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from loadtests.bench.bars import MIB, Bar, bars
from loadtests.bench.figures import Figure, Number, figures, middle, starts
from loadtests.bench.machine import Machine
from loadtests.bench.models import MODELS
from loadtests.bench.plan import Options
from loadtests.bench.records import Records

PROTOCOLS = {"rest-json": "REST JSON", "rest-binary": "REST binary", "grpc": "gRPC"}


def to_json(records: Records, machine: Machine, options: Options) -> str:
    """Everything: figures, bars, and the samples they are made of."""
    document = {
        "machine": asdict(machine),
        "options": asdict(options),
        "bars": [{**asdict(bar), "verdict": bar.verdict} for bar in bars(records)],
        "figures": [asdict(figure) for figure in figures(records.samples)],
        **asdict(records),
    }
    return json.dumps(document, indent=2)


def to_markdown(records: Records, machine: Machine, options: Options) -> str:
    """Tables for people."""
    found = figures(records.samples)
    main = [one for one in found if one.bare_cpu is not None]
    others = [one for one in found if one.bare_cpu is None]
    parts = [
        ["# What serving costs", "", *_conditions(machine, options)],
        ["**Interrupted: what follows is what there was by then.**"] * records.interrupted,
        [f"- {text}" for text in records.problems],
        ["## Bars", "", *_bars(bars(records))],
        ["## Loads beside the bare protocol library and the framework in process", "",
         *_main(main)] if main else [],
        ["## Other servers compared", "", *_others(others)] if others else [],
        ["## Starts", "", *_starts(records)] if records.starts else [],
        ["## Memory after the load", "", *_memory(records)] if records.memory else [],
    ]  # fmt: skip
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _conditions(machine: Machine, options: Options) -> list[str]:
    versions = ", ".join(f"{name} {text}" for name, text in machine.versions.items())
    flags = "; ".join(
        f"{name}: {' '.join(given) or 'no flags'}" for name, given in options.variants.items()
    )
    return [
        f"{machine.cpus} CPUs ({machine.cpu}), {machine.memory_bytes / 2**30:.0f} GiB, Linux "
        f"{machine.kernel}, Python {machine.python}, {versions}. Load average before the run "
        f"{machine.load:.1f}: the more it is, the more only CPU and ratios count.",
        "",
        f"Every load took {options.seconds} s and was repeated in {options.rounds} rounds, in turn "
        "with its baselines; figures are medians over the rounds. Generators (wrk, h2load) share "
        "the CPUs. *CPU* is that of the server's whole process tree, in ms per request, which is "
        "seconds per 1,000 requests. One worker with one thread per model; every request has one "
        f"row. Servers: {flags}.",
    ]


def _bars(found: list[Bar]) -> list[str]:
    return [
        "| | bar | measured | |",
        "|---|---|---|---|",
        *[
            f"| {bar.what} | {'≥' if bar.at_least else '≤'} {bar.limit:g} {bar.unit} "
            f"| {_number(bar.value, 2)} | {bar.verdict}{f' ({bar.note})' if bar.note else ''} |"
            for bar in found
        ],
    ]


def _main(found: list[Figure]) -> list[str]:
    return [
        "| model | server | protocol | at | requests/s | bare | p50 ms | p99 ms | CPU ms | of it "
        "worker | bare | ratio | batch | in process ms/row | rows/s over in process |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        *[
            f"{_head(one)} | {one.throughput:,.0f} | {_number(one.bare_throughput, 0)} "
            f"| {one.p50:.2f} | {one.p99:.2f} | {one.cpu:.3f} | {one.worker_cpu:.3f} "
            f"| {_number(one.bare_cpu, 3)} | {_number(one.cpu_over_bare, 2)} | {one.batch:.1f} "
            f"| {_number(one.in_process_ms, 3)} | {_number(one.over_in_process, 2)} |"
            for one in found
        ],
        "",
        "The bare echo answers as many bytes as the model. In process the framework computes "
        "batches of the size that the server had on average, in one thread; *ms/row* is its CPU.",
    ]


def _others(found: list[Figure]) -> list[str]:
    return [
        "| model | server | protocol | at | requests/s | p50 ms | p99 ms | CPU ms | batch "
        "| rows per worker CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *[
            f"{_head(one)} | {one.throughput:,.0f} | {one.p50:.2f} | {one.p99:.2f} "
            f"| {one.cpu:.3f} | {one.batch:.1f} | {_number(one.rows_per_worker_second, 0)} |"
            for one in found
        ],
    ]


def _head(one: Figure) -> str:
    key = one.key
    return f"| {key.model} | {key.variant} | {PROTOCOLS[key.protocol]} | {key.concurrency}"


def _starts(records: Records) -> list[str]:
    cases = dict.fromkeys((one.model, one.variant) for one in records.starts)
    return [
        "Seconds from the command to the first good answer, files in the page cache, and the CPU "
        "seconds that the server's processes took of it; medians.",
        "",
        "| model | runtime | server | seconds | CPU s | starts |",
        "|---|---|---|---|---|---|",
        *[
            f"| {model} | {MODELS[model].runtime} | {variant} "
            f"| {_number(middle(one.seconds for one in found), 2)} "
            f"| {_number(middle(one.cpu for one in found), 2)} | {len(found)} |"
            for model, variant in cases
            if (found := starts(records, model, variant))
        ],
    ]


def _memory(records: Records) -> list[str]:
    return [
        "Gateway, zygote and worker together. *Once* counts every page once, which is what a "
        "machine has to have; *summed* adds up what each process sees, as `ps` does, and counts "
        "several times what a worker shares with its zygote.",
        "",
        "| model | server | once MiB | summed MiB |",
        "|---|---|---|---|",
        *[
            f"| {one.model} | {one.variant} | {one.once / MIB:.0f} | {one.summed / MIB:.0f} |"
            for one in records.memory
        ],
    ]


def _number(value: Number, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
