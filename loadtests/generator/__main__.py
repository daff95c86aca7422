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
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from loadtests.generator.answer import TIMEOUT, Answer
from loadtests.generator.plan import READY, Arrival, Plan, arrivals
from loadtests.generator.records import Effort, Recorder, Records
from loadtests.wire import token


class Client(Protocol):
    """What a transport's client can do."""

    async def open(self, clients: int) -> None:
        """Connect."""

    async def ask(self, request: int) -> Answer:
        """Send one of the plan's requests and tell what came of it; never raises."""

    async def close(self) -> None:
        """Disconnect."""


class Generator:
    """Sends one plan's requests and keeps the answers."""

    def __init__(self, plan: Plan, client: Client) -> None:
        self._plan = plan
        self._client = client
        self._stop = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._recorder = Recorder()

    def stop(self) -> None:
        """Send no more; what is under way is still waited for."""
        self._stop.set()

    async def run(self) -> Records:
        """Send until stopped, or until the plan ends."""
        await asyncio.sleep(max(0.0, self._plan.start - time.monotonic()))
        began, cpu = time.monotonic(), time.process_time()
        due = arrivals(self._plan)
        if self._plan.rate:
            await self._open_loop(due)
        else:
            clients = range(self._plan.clients)
            await asyncio.gather(*(self._closed_loop(due) for _ in clients))
        effort = Effort(time.process_time() - cpu, time.monotonic() - began)
        return self._recorder.records(effort)

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
        end = self._plan.start + self._plan.seconds if self._plan.seconds else float("inf")
        for question in due:
            now = time.monotonic()
            if self._stop.is_set() or now >= end:
                break
            await self._ask(Arrival(now, question.request))

    async def _ask(self, arrival: Arrival) -> None:
        behind = time.monotonic() - arrival.at
        answer = await self._client.ask(arrival.request)
        self._recorder.add(arrival, answer, behind, time.monotonic())


def _client(plan: Plan) -> Client:
    if plan.transport == "http":
        from loadtests.generator.http_client import HttpClient

        tls = plan.trust.context() if plan.trust is not None else None
        return HttpClient(plan.address, plan.requests, plan.token, tls)
    from loadtests.generator.grpc_client import GrpcClient
    from loadtests.wire import oip_grpc, tfs_grpc

    readers = {oip_grpc.METHOD: oip_grpc.version_of, tfs_grpc.METHOD: tfs_grpc.version_of}
    # Other services' answers are not read: what they are is not known here.
    credentials = plan.trust.credentials() if plan.trust is not None else None
    reader = readers.get(plan.method)
    return GrpcClient(plan.address, plan.method, plan.requests, reader, plan.token, credentials)


async def _main(plan: Plan, target: Path) -> None:
    client = _client(plan)
    async with asyncio.timeout(TIMEOUT):
        await client.open(plan.clients)
    print(READY, flush=True)
    generator = Generator(replace(plan, start=float(sys.stdin.readline())), client)
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), generator.stop)
    records = await generator.run()
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    await client.close()
    records.save(target)


def main(plan: Path, target: Path) -> int:
    """0 where there are records, 1 where nothing could be sent, with the reason on stderr."""
    # epoll waits whole milliseconds, select microseconds: requests leave when they should.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            read = Plan.unpack(plan.read_bytes())
            runner.run(_main(replace(read, token=token.from_environment()), target))
    except token.BadTokenError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, TimeoutError) as error:
        print(f"the server can't be reached: {error or 'no answer'}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
