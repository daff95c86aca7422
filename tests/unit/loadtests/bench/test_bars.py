"""Every bar is judged by the figure it speaks of, and by no other."""

from __future__ import annotations

import pytest

from loadtests.bench.bars import MIB, MISSED, REACHED, UNJUDGED, UNKNOWN, Bar, bars
from loadtests.bench.records import BARE, IN_PROCESS, Held, Records, Start
from tests.unit.loadtests.bench.made import sample


def verdicts(records: Records) -> dict[str, str]:
    return {bar.what: bar.verdict for bar in bars(records) if bar.verdict != UNKNOWN}


@pytest.mark.parametrize(
    ("value", "at_least", "judged", "verdict"),
    [
        (1.5, False, True, REACHED),
        (1.51, False, True, MISSED),
        (1.5, True, True, REACHED),
        (1.49, True, True, MISSED),
        (9.9, True, False, UNJUDGED),
        (None, True, False, UNKNOWN),
    ],
)
def test_a_bar_is_the_most_or_the_least(value, at_least, judged, verdict):
    assert Bar("", 1.5, "x", value, at_least=at_least, judged=judged).verdict == verdict


def test_nothing_measured_reaches_nothing():
    assert verdicts(Records()) == {}


@pytest.mark.parametrize(
    ("protocol", "cpu", "expected"),
    [
        ("rest-binary", 0.15, {"REST binary, digits ONNX, concurrency 64: server CPU": REACHED}),
        ("rest-binary", 0.16, {"REST binary, digits ONNX, concurrency 64: server CPU": MISSED}),
        (
            "grpc",
            0.12,
            {
                "gRPC, digits ONNX, concurrency 64, best carrier: server CPU": MISSED,
                "gRPC, digits ONNX, concurrency 64, grpc.aio: server CPU": REACHED,
            },
        ),
    ],
)
def test_cpu_is_held_against_the_bare_echo(protocol, cpu, expected):
    records = Records(
        [
            sample(subject=BARE, variant="", protocol=protocol, cpu=0.1),
            sample(protocol=protocol, cpu=cpu),
        ]
    )

    assert verdicts(records) == expected


def test_the_best_carrier_is_that_of_the_variant_with_the_least_cpu():
    records = Records(
        [
            sample(subject=BARE, variant="", protocol="grpc", cpu=0.1),
            sample(protocol="grpc", cpu=0.12),
            sample(protocol="grpc", cpu=0.04, variant="other"),
        ]
    )

    (best,) = (bar for bar in bars(records) if "best carrier" in bar.what)

    assert (best.value, best.note, best.verdict) == (pytest.approx(0.4), "other", REACHED)


def test_latency_is_what_is_added_to_the_bare_echo():
    at_one = {"concurrency": 1, "protocol": "grpc"}
    records = Records(
        [sample(subject=BARE, variant="", p50=0.4, **at_one), sample(p50=0.8, **at_one)]
    )

    assert list(verdicts(records).values()) == [MISSED]


def test_the_heavy_model_is_held_against_the_framework_at_the_same_batch():
    heavy = {"group": "heavy", "model": "heavy", "concurrency": 16}
    records = Records(
        [
            sample(subject="heavy", rows=46, seconds=1.0, **heavy),
            sample(subject=IN_PROCESS, rows=50, seconds=1.0, cpu=1.0, **heavy),
        ]
    )

    (bar,) = (bar for bar in bars(records) if bar.value is not None)

    assert (bar.value, bar.verdict) == (pytest.approx(0.92), REACHED)
    assert bar.note == "20.0 ms a row in process"


def test_batching_is_rows_per_worker_second_on_over_off():
    records = Records(
        [
            sample(group="batching", variant="batching on", worker_cpu=0.05),
            sample(group="batching", variant="batching off", worker_cpu=0.09),
        ]
    )

    assert list(verdicts(records).values()) == [MISSED]


@pytest.mark.parametrize(("apart", "verdict"), [(True, REACHED), (False, UNJUDGED)])
def test_frontends_are_judged_only_where_cpus_are_idle(apart, verdict):
    echo = {"group": "frontends", "subject": "echo", "model": "echo"}
    records = Records(
        [
            sample(variant="python, 1 frontend", rows=1000, **echo),
            sample(variant="python, 2 frontends", rows=1800, **echo),
        ],
        apart=apart,
    )

    assert list(verdicts(records).values()) == [verdict]


def test_memory_and_starts_are_those_of_the_plain_server():
    records = Records(
        starts=[Start("digits-onnx", "onnx", "python", seconds, 1.0) for seconds in (1.2, 1.4, 9.0)]
        + [Start("digits-onnx", "onnx", "batching off", 9.0, 1.0)],
        memory=[
            Held("small", "digits-onnx", "python", 149 * MIB, 200 * MIB),
            Held("small", "digits-onnx", "other", 151 * MIB, 200 * MIB),
        ],
    )

    assert list(verdicts(records).values()) == [REACHED, REACHED]
