"""What Locust is told beside its own options: on the command line, by environment, on its page."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from locust import events

from loadtests.generator.plan import Moments
from loadtests.users.schedule import SHAPES

PREFIX = "UNDERWAY_LOAD_"
LOOPS = ("closed", "poisson", "constant")


@dataclass(frozen=True, slots=True)
class Options:
    """How the users of this run behave; `of` reads them from Locust's."""

    loop: str
    rate: float
    models: tuple[str, ...]
    rows: int
    grpc_address: str
    in_flight: int

    @property
    def moments(self) -> Moments | None:
        """When requests are sent in an open loop; None for a closed one."""
        return None if self.loop == "closed" else self.loop  # type: ignore[return-value]

    @classmethod
    def of(cls, given: argparse.Namespace) -> Options:
        """Raises ValueError, naming the option, where one cannot be used."""
        if given.loop not in LOOPS:
            raise ValueError(f"--loop: expected one of {', '.join(LOOPS)}, got {given.loop!r}")
        for name in ("rate_per_user", "rows", "in_flight"):
            if not getattr(given, name) > 0:
                raise ValueError(f"--{name.replace('_', '-')}: expected more than 0")
        models = tuple(name.strip() for name in given.models.split(",") if name.strip())
        return cls(
            given.loop, given.rate_per_user, models, given.rows, given.grpc_address, given.in_flight
        )


@dataclass(frozen=True, slots=True)
class SwapOptions:
    """What the swap shape publishes, where, and every how many seconds."""

    folder: Path
    every: float

    @classmethod
    def of(cls, given: argparse.Namespace) -> SwapOptions:
        """Raises ValueError where there is nothing to publish."""
        if not given.swap:
            raise ValueError("--swap: expected REPOSITORY/MODEL, for --shape swap publishes it")
        folder = Path(given.swap).expanduser()
        if not folder.is_dir():
            raise ValueError(f"--swap: {folder} is no folder")
        if not given.swap_every > 0:
            raise ValueError("--swap-every: expected more than 0")
        return cls(folder, given.swap_every)


@events.init_command_line_parser.add_listener
def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ours to Locust's."""
    group = parser.add_argument_group("Underway")

    def add(name: str, default: object, **more: object) -> None:
        variable = PREFIX + name.strip("-").replace("-", "_").upper()
        # Locust's parser is configargparse, which knows env_var.
        action = group.add_argument(name, default=default, env_var=variable, **more)  # type: ignore[arg-type]
        # The page shows what has this; Locust sets it only for options outside of groups.
        action.include_in_web_ui = True  # type: ignore[attr-defined]

    add("--shape", "steady", choices=SHAPES, help="how the number of users changes")
    add("--loop", "closed", choices=LOOPS,
        help="closed: a user sends again when answered; else by a schedule, "
        "with latency from the intended moment")  # fmt: skip
    add("--rate-per-user", 10.0, type=float, help="requests/s that each user of an open loop sends")
    add("--models", "", help="names with commas between; empty: all that are ready")
    add("--rows", 1, type=int, help="images or texts in one request")
    add("--grpc-address", "", help="HOST:PORT; empty: the host with its port + 1")
    add("--in-flight", 1000, type=int, help="requests of one user's open loop under way at most")
    add("--latency-limit", 0.0, type=float,
        help="ms of p95 that end the ramp (0: five times that of its start)")  # fmt: skip
    add("--swap", "", help="REPOSITORY/MODEL whose newest version --shape swap publishes anew")
    add("--swap-every", 10.0, type=float, help="seconds between two versions")
