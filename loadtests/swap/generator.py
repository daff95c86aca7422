"""One generator process: sends what its plan says until its stdin closes, then writes its records.

A process of its own, so that it competes for the server's CPUs no more than a client would, and
is never held up by what the bench does beside it.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from loadtests.swap.answer import Answer
from loadtests.swap.grpc_client import GrpcClient
from loadtests.swap.plan import Arrival, Plan, arrivals
from loadtests.swap.questions import ROWS, grpc_request, rest_request
from loadtests.swap.records import Recorder
from loadtests.swap.rest_client import RestClient


class Client(Protocol):
    """What a protocol's client can do."""

    async def open(self, clients: int) -> None:
        """Connect."""

    async def ask(self, model: str, rows: int) -> Answer:
        """Send one request and tell what came of it; never raises."""

    async def close(self) -> None:
        """Disconnect."""


class Generator:
    """Sends one plan's requests and keeps the answers."""

    def __init__(self, plan: Plan, client: Client) -> None:
        self._plan = plan
        self._client = client
        self._stop = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self.recorder = Recorder(plan)

    def stop(self) -> None:
        """Send no more; what is under way is still waited for."""
        self._stop.set()

    async def run(self) -> None:
        """Send until stopped."""
        await self._client.open(self._plan.clients)
        await asyncio.sleep(max(0.0, self._plan.start - time.monotonic()))
        due = arrivals(self._plan)
        if self._plan.rate:
            await self._open_loop(due)
        else:
            clients = range(self._plan.clients)
            await asyncio.gather(*(self._closed_loop(due) for _ in clients))
        await self._client.close()

    async def _open_loop(self, due: Iterator[Arrival]) -> None:
        for arrival in due:
            # At least once round the loop, so that answers are taken however late this is.
            await asyncio.sleep(max(0.0, arrival.at - time.monotonic()))
            if self._stop.is_set():
                break
            task = asyncio.ensure_future(self._ask(arrival))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        await asyncio.gather(*self._under_way)

    async def _closed_loop(self, due: Iterator[Arrival]) -> None:
        for question in due:
            if self._stop.is_set():
                break
            await self._ask(Arrival(time.monotonic(), question.model, question.rows))

    async def _ask(self, arrival: Arrival) -> None:
        answer = await self._client.ask(arrival.model, arrival.rows)
        self.recorder.add(arrival, answer, time.monotonic())


def _client(plan: Plan) -> Client:
    encode = rest_request if plan.protocol == "rest" else grpc_request
    requests = {(m, rows): encode(m, rows) for m in plan.models for rows in ROWS}
    kind = RestClient if plan.protocol == "rest" else GrpcClient
    return kind(plan.address, requests)


async def _main(plan: Plan, target: Path) -> None:
    generator = Generator(plan, _client(plan))
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), generator.stop)
    await generator.run()
    generator.recorder.records().save(target)


if __name__ == "__main__":
    # epoll waits whole milliseconds, select microseconds: requests leave when they should.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_main(Plan.from_json(sys.argv[1]), Path(sys.argv[2])))
