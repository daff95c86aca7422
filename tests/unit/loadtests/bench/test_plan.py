"""The plan covers what was asked for, and a filter leaves only what it names."""

from __future__ import annotations

from loadtests.bench.models import DIGITS
from loadtests.bench.plan import PLAIN, Case, Options, Serving, loads, name_of, plan

QUICK = Options(quick=True, rounds=1, starts=1)


def names(options: Options) -> list[str]:
    return [name_of(group, case) for group in plan(options) for case in group.cases]


def test_every_model_meets_every_protocol_at_every_concurrency():
    found = {name.split("/", 1)[1] for name in names(Options())}

    for model in ("echo", *DIGITS, "image", "heavy"):
        for protocol in ("rest-json", "rest-binary", "grpc"):
            for concurrency in (1, 16, 64):
                assert f"{model}/{PLAIN}/{protocol}/{concurrency}" in found


def test_variants_are_one_more_dimension():
    flags = ("--frontend", "other")

    groups = plan(Options(variants={PLAIN: (), "other": flags}))

    (small,) = (group for group in groups if group.name == "small")
    assert Case(Serving("echo", "other", flags), "grpc", 64) in small.cases
    assert len(small.cases) == 2 * 4 * 9
    frontends = [group for group in groups if group.name == "frontends"]
    assert [one.servings[1].flags for one in frontends] == [
        ("--frontends", "2"), (*flags, "--frontends", "2")
    ]  # fmt: skip


def test_a_filter_leaves_only_the_servers_it_needs():
    groups = plan(Options(only=("digits-onnx/*/grpc/64", "starts/digits-t")))

    small, *starts = groups
    assert (small.name, [one.model for one in small.servings]) == ("small", ["digits-onnx"])
    assert [case.point for case in small.cases] == [("grpc", 64)]
    assert {group.name for group in starts} == {"starts"}
    assert {one.model for group in starts for one in group.servings} == {"digits-torchscript"}


def test_a_filter_that_matches_nothing_leaves_nothing():
    assert plan(Options(only=("nothing",))) == []


def test_quick_starts_every_runtime_once_and_has_every_bar():
    groups = plan(QUICK)

    started = [one for group in groups for one in group.servings if one.model in DIGITS]
    assert {one.model for one in started if one.variant == PLAIN} == set(DIGITS)
    assert len([one for one in started if one.variant == PLAIN]) == len(DIGITS)
    assert {group.name for group in groups} == {
        "small", "large", "heavy", "batching", "frontends", "starts"
    }  # fmt: skip


def test_baselines_are_measured_once_for_all_models_of_a_point():
    groups = plan(Options(only=("small/*/grpc/64",)))

    assert loads(groups, rounds=3) == 3 * (4 + 1)
