"""What is measured, in which order: pure, from the options alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from loadtests.bench.models import DIGITS
from loadtests.bench.requests import PROTOCOLS

CONCURRENCY = (1, 16, 64)
PLAIN = "python"
"""The variant that is always measured: the server without flags."""

Flags = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Serving:
    """One server that is started: a model, flags and whether it joins requests."""

    model: str
    variant: str = PLAIN
    flags: Flags = ()
    batching: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """One load on one server."""

    serving: Serving
    protocol: str
    concurrency: int

    @property
    def point(self) -> tuple[str, int]:
        """Cases of one point are measured in turn with each other and their baselines."""
        return self.protocol, self.concurrency


@dataclass(frozen=True, slots=True)
class Group:
    """Servers that run at the same time, and the loads on them.

    `bare` is measured beside every point. The framework in process computes for `in_process` times
    the time of a load, 0 for not at all. Loads take `longer` times the usual. `apart`:
    generator and servers on CPUs of their own.
    """

    name: str
    servings: tuple[Serving, ...]
    cases: tuple[Case, ...]
    bare: bool = True
    in_process: float = 0.25
    longer: int = 1
    apart: bool = False

    @property
    def points(self) -> list[tuple[str, int]]:
        """In order, each once."""
        return list(dict.fromkeys(case.point for case in self.cases))


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure. A load takes whole `seconds` and is repeated in `rounds`."""

    seconds: int = 2
    rounds: int = 3
    starts: int = 3
    quick: bool = False
    only: tuple[str, ...] = ()
    variants: Mapping[str, Flags] = field(default_factory=lambda: {PLAIN: ()})


def plan(options: Options) -> list[Group]:
    """All groups that `options` ask for."""
    return list(_matching(_groups(options), options.only))


def loads(groups: Iterable[Group], rounds: int) -> int:
    """How many loads there are, the bare ones included."""
    each = [len(group.cases) + len(group.points) * group.bare for group in groups]
    return sum(each) * rounds


def _groups(options: Options) -> list[Group]:
    small, large, heavy = _main_loads(quick=options.quick)
    groups = [
        _group("small", small, options),
        _group("large", large, options),
        # Requests are few, so it takes long; and in process as long, for throughputs are compared.
        replace(_group("heavy", heavy, options), in_process=1.0, longer=3),
        _batching(),
        *_frontends(options),
    ]
    repeats = options.starts - (not options.quick)
    started = tuple(Serving(model) for model in DIGITS)
    if options.quick:
        started = started[1:]  # the first is started for its loads anyway
    return groups + [Group("starts", started, (), bare=False)] * repeats


def _main_loads(*, quick: bool) -> tuple[Mapping[str, Sequence[tuple[str, int]]], ...]:
    """Per group, the loads (protocol, concurrency) of each model."""
    if not quick:
        every = [(protocol, many) for protocol in PROTOCOLS for many in CONCURRENCY]
        return dict.fromkeys(("echo", *DIGITS), every), {"image": every}, {"heavy": every}
    ends = [("rest-binary", 64), ("grpc", 64)]
    digits = [*ends, ("rest-binary", 1), ("grpc", 1), ("rest-json", 16)]
    middle = [("rest-binary", 16), ("grpc", 16)]
    return {"echo": ends, DIGITS[0]: digits}, {"image": middle}, {"heavy": middle[:1]}


def _group(name: str, models: Mapping[str, Sequence[tuple[str, int]]], options: Options) -> Group:
    servings = {
        (model, variant): Serving(model, variant, flags)
        for model in models
        for variant, flags in options.variants.items()
    }
    cases = [
        Case(serving, *load) for (model, _), serving in servings.items() for load in models[model]
    ]
    return Group(name, tuple(servings.values()), tuple(cases))


def _batching() -> Group:
    on = Serving(DIGITS[0], "batching on")
    off = Serving(DIGITS[0], "batching off", batching=False)
    cases = (Case(on, "rest-binary", 64), Case(off, "rest-binary", 64))
    return Group("batching", (on, off), cases, bare=False, in_process=0)


def _frontends(options: Options) -> list[Group]:
    """One and two frontends, once for every way of hosting them."""
    groups = []
    for variant, flags in options.variants.items():
        servings = tuple(
            Serving("echo", f"{variant}, {text}", (*flags, "--frontends", str(count)))
            for count, text in ((1, "1 frontend"), (2, "2 frontends"))
        )
        protocols = ("rest-binary",) if options.quick else ("rest-binary", "grpc")
        cases = tuple(Case(serving, protocol, 64) for protocol in protocols for serving in servings)
        groups.append(Group("frontends", servings, cases, bare=False, in_process=0, apart=True))
    return groups


def _matching(groups: Iterable[Group], only: Sequence[str]) -> Iterable[Group]:
    for group in groups:
        cases = tuple(case for case in group.cases if _wanted(name_of(group, case), only))
        if group.cases:
            kept = {case.serving for case in cases}
        else:
            kept = {one for one in group.servings if _wanted(f"{group.name}/{one.model}", only)}
        servings = tuple(one for one in group.servings if one in kept)
        if servings:
            yield replace(group, servings=servings, cases=cases)


def name_of(group: Group, case: Case) -> str:
    """What `--only` is held against."""
    serving = case.serving
    return f"{group.name}/{serving.model}/{serving.variant}/{case.protocol}/{case.concurrency}"


def _wanted(name: str, only: Sequence[str]) -> bool:
    return not only or any(fnmatchcase(name, f"*{pattern}*") for pattern in only)
