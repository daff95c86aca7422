"""Real worker processes of the echo runtime behind the gateway's own pool."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time

import psutil
import pytest

from runtimes.contract.codes import Code
from runtimes.contract.messages import Batching, ModelSpec, Profile
from runtimes.contract.tensor import Datatype, Tensor
from server.errors import DeadlineExceeded, Internal, Overloaded, Unavailable
from server.workers.pool import PoolLimits, WorkerPool
from server.workers.worker import LoadError
from server.workers.zygote import Zygotes
from tests.integration.echo_pools import LIMITS, SPEC, ask, row, until


async def test_every_caller_gets_its_own_answer(start):
    pool = await start(workers=2)

    answers = await asyncio.gather(*(ask(pool, n) for n in range(32)))

    assert answers == [bytes([n]) for n in range(32)]


async def test_a_tensor_of_many_megabytes_comes_back_whole(start):
    pool = await start()
    data = os.urandom(20 * 2**20)

    result = await pool.infer((Tensor("x", Datatype.UINT8, (len(data), 1), data),), (), 0)

    assert bytes(result.outputs[0].data) == data


async def test_what_waits_is_computed_together_when_batching_is_on(start):
    pool = await start(batching=Batching(), delay_ms=30)

    results = await asyncio.gather(*(pool.infer(row(n), (), 0) for n in range(9)))

    assert [bytes(r.outputs[0].data) for r in results] == [bytes([n]) for n in range(9)]
    # How many are there when the worker looks is chance; that some are joined is not.
    assert 1 < max(r.timings.batch_rows for r in results) <= 8
    assert sum(r.timings.leads for r in results) < 9


async def test_requests_run_alone_when_batching_is_off(start):
    pool = await start(delay_ms=5)

    results = await asyncio.gather(*(pool.infer(row(n), (), 0) for n in range(4)))

    assert [r.timings.batch_rows for r in results] == [1, 1, 1, 1]


async def test_a_poisoned_row_fails_alone(start):
    pool = await start(batching=Batching(), delay_ms=30, fail_on=7)

    answers = await asyncio.gather(*(ask(pool, n) for n in range(5, 10)), return_exceptions=True)

    assert isinstance(answers[2], Internal)
    assert [a for a in answers if isinstance(a, bytes)] == [bytes([n]) for n in (5, 6, 8, 9)]


async def test_a_killed_worker_ends_its_requests_at_once_and_comes_back(start):
    pool = await start(delay_ms=30_000)
    waiting = [asyncio.ensure_future(ask(pool, n)) for n in range(3)]
    await asyncio.sleep(0.05)
    (killed,) = pool.pids

    os.kill(killed, signal.SIGKILL)

    for ended in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(ended, Unavailable)
    await until(lambda: pool.is_ready)
    assert pool.pids != [killed]


async def test_a_worker_that_crashes_on_a_request_is_replaced(start):
    pool = await start(crash_on=9)

    with pytest.raises(Unavailable):
        await ask(pool, 9)

    await until(lambda: pool.is_ready)
    assert await ask(pool, 1) == b"\x01"


async def test_the_other_worker_goes_on_when_one_dies(start):
    pool = await start(workers=2)
    killed = pool.pids[0]
    os.kill(killed, signal.SIGKILL)
    await until(lambda: killed not in pool.pids)

    assert await ask(pool, 4) == b"\x04"


async def test_a_request_past_its_deadline_is_not_computed(start):
    pool = await start(delay_ms=100, crash_on=9)
    first = asyncio.ensure_future(ask(pool, 1))
    await asyncio.sleep(0.02)

    with pytest.raises(DeadlineExceeded):
        await ask(pool, 9, deadline_ns=time.monotonic_ns() + 10**7)

    assert await first == b"\x01"
    assert await ask(pool, 3) == b"\x03"  # the worker, which 9 would have ended, still runs


async def test_a_deadline_is_answered_when_it_passes_even_while_the_model_is_busy(start):
    pool = await start(delay_ms=60_000)

    with pytest.raises(DeadlineExceeded):
        await ask(pool, 2, deadline_ns=time.monotonic_ns() + 10**7)

    pool._ready[0].kill()


async def test_a_cancelled_request_is_not_computed(start):
    pool = await start(delay_ms=500, crash_on=9)
    first = asyncio.ensure_future(ask(pool, 1))
    await asyncio.sleep(0.02)
    second = asyncio.ensure_future(ask(pool, 9))
    await asyncio.sleep(0.02)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second

    assert await first == b"\x01"
    assert await ask(pool, 3) == b"\x03"


async def test_more_than_the_bound_in_flight_is_refused_at_once(start):
    limits = PoolLimits(2, 2**26, 30, 5)
    pool = await start(limits=limits, delay_ms=100)
    waiting = [asyncio.ensure_future(ask(pool, n)) for n in (1, 2)]
    await asyncio.sleep(0.02)

    with pytest.raises(Overloaded, match="max_in_flight is 2") as refused:
        await ask(pool, 3)

    assert refused.value.retry_after
    assert await asyncio.gather(*waiting) == [b"\x01", b"\x02"]


async def test_stopping_answers_what_is_in_flight_first(start):
    pool = await start(delay_ms=100)
    waiting = asyncio.ensure_future(ask(pool, 1))
    await asyncio.sleep(0.02)
    (pid,) = pool.pids

    await pool.stop()

    assert await waiting == b"\x01"
    await until(lambda: not psutil.pid_exists(pid))


async def test_a_hung_worker_is_killed_after_the_grace(start):
    limits = PoolLimits(8, 2**26, 30, 0.2)
    pool = await start(limits=limits, hang=True)
    waiting = asyncio.ensure_future(ask(pool, 1))
    await asyncio.sleep(0.02)

    await pool.stop()

    with pytest.raises(Unavailable):
        await waiting


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"fail_load": "the weights are missing"}, "the weights are missing"),
        ({"exit_on_load": True}, r"died while loading \(exit 1\)"),
        ({"no_such_option": 1}, "no_such_option"),
    ],
)
async def test_a_failed_load_says_why_and_leaves_no_process(start, zygotes, options, reason):
    before = _workers()
    with pytest.raises(LoadError, match=reason):
        await start(**options)

    await until(lambda: _workers() <= before)


async def test_a_load_over_its_time_is_given_up(zygotes, tmp_path):
    before = _workers()
    spec = ModelSpec("m", 1, "echo", "/", inputs=SPEC)
    pool = WorkerPool(spec, ("cpu",), zygotes, PoolLimits(8, 2**26, 0.0, 1))

    with pytest.raises(LoadError, match="load_timeout"):
        await pool.start()

    await until(lambda: _workers() <= before)


async def test_workers_outlive_their_zygote_and_new_ones_get_a_new_zygote(start):
    pool = await start()
    (zygote,) = [p for p in psutil.Process().children() if "__main__.py" in " ".join(p.cmdline())]
    zygote.kill()
    await asyncio.sleep(0.05)

    assert await ask(pool, 5) == b"\x05"

    os.kill(pool.pids[0], signal.SIGKILL)
    await until(lambda: not pool.is_ready)
    await until(lambda: pool.is_ready)
    assert await ask(pool, 6) == b"\x06"


@pytest.mark.parametrize(
    ("python", "reason"),
    [
        ("/nonexistent/python", "cannot be started.*runtimes.echo.python"),
        ("/bin/false", "zygote of runtime 'echo' is gone"),
    ],
)
async def test_an_interpreter_that_does_not_work_is_named(python, reason):
    zygotes = Zygotes({"echo": python}, 10)
    pool = WorkerPool(ModelSpec("m", 1, "echo", "/"), ("cpu",), zygotes, LIMITS)

    with pytest.raises(LoadError, match=reason):
        await pool.start()

    await zygotes.stop()


async def test_an_interpreter_without_the_framework_says_what_to_install():
    # The clients' environment has no TensorFlow.
    zygotes = Zygotes({"savedmodel": ".venvs/clients/bin/python"}, 30)
    pool = WorkerPool(ModelSpec("m", 1, "savedmodel", "/"), ("cpu",), zygotes, LIMITS)

    with pytest.raises(LoadError, match=r"No module named.*underway\[tensorflow\]"):
        await pool.start()

    await zygotes.stop()


def _workers() -> set[int]:
    """Grandchildren that run: workers, those of other tests' servers among them."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.parent() != psutil.Process() and child.status() != psutil.STATUS_ZOMBIE:
                found.add(child.pid)
    return found


async def test_requests_given_up_count_until_the_worker_has_let_go_of_them(start):
    limits = PoolLimits(2, 2**26, 30, 0.2)
    pool = await start(limits=limits, hang=True)
    # The first must have come to the worker by its deadline, on a busy machine too.
    for patience_ms in (500, 5):
        with pytest.raises(DeadlineExceeded):
            await ask(pool, 1, deadline_ns=time.monotonic_ns() + patience_ms * 10**6)

    # One is being computed, and only that one still counts.
    await until(lambda: pool._ready[0].in_flight == 1)


async def test_a_dead_worker_is_not_replaced_by_one_with_other_content(zygotes):
    same = [True]

    async def unchanged():
        return same[0]

    spec = ModelSpec("m", 1, "echo", "/", inputs=SPEC)
    pool = WorkerPool(spec, ("cpu",), zygotes, LIMITS, unchanged)
    await pool.start()
    same[0] = False
    os.kill(pool.pids[0], signal.SIGKILL)

    await until(lambda: "files changed" in pool.trouble)
    with pytest.raises(Unavailable, match="publish a new version"):
        await ask(pool, 1)
    same[0] = True
    await until(lambda: pool.is_ready)
    await pool.stop()


async def test_two_pools_of_one_version_get_workers_of_their_own(zygotes):
    spec = ModelSpec("m", 1, "echo", "/", inputs=SPEC)
    pools = [WorkerPool(spec, ("cpu",), zygotes, LIMITS) for _ in range(6)]

    await asyncio.gather(*(pool.start() for pool in pools))

    assert len({pool.pids[0] for pool in pools}) == 6
    assert [await ask(pool, n) for n, pool in enumerate(pools)] == [bytes([n]) for n in range(6)]
    await asyncio.gather(*(pool.stop() for pool in pools))


async def test_a_hung_zygote_is_killed_and_the_next_fork_gets_a_new_one():
    zygotes = Zygotes({}, 5)
    spec = ModelSpec("m", 1, "echo", "/", inputs=SPEC)
    first = WorkerPool(spec, ("cpu",), zygotes, LIMITS)
    await first.start()
    (zygote,) = [p for p in psutil.Process().children() if "__main__.py" in " ".join(p.cmdline())]
    zygotes.of("echo")._import_timeout = 0.5
    zygote.suspend()

    second = WorkerPool(spec, ("cpu",), zygotes, LIMITS)
    with pytest.raises(LoadError):
        await second.start()
    zygotes.of("echo")._import_timeout = 30
    await until(lambda: not zygote.is_running() or zygote.status() == psutil.STATUS_ZOMBIE)
    third = WorkerPool(spec, ("cpu",), zygotes, LIMITS)
    await third.start()

    assert await ask(first, 1) == b"\x01"
    assert await ask(third, 3) == b"\x03"
    await asyncio.gather(first.stop(), third.stop())
    await zygotes.stop()


async def test_a_worker_lost_while_descriptors_are_used_up_comes_back_when_they_are_free(
    start, monkeypatch
):
    pool = await start()
    real, refused = socket.socketpair, []

    def used_up(*arguments):
        refused.append(1)
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("server.workers.zygote.socket.socketpair", used_up)
    os.kill(pool.pids[0], signal.SIGKILL)
    await until(lambda: len(refused) > 1)
    monkeypatch.setattr("server.workers.zygote.socket.socketpair", real)

    await until(lambda: pool.is_ready)
    assert await ask(pool, 4) == b"\x04"


# ---- profiles ------------------------------------------------------------------------------------


async def test_echo_has_nothing_to_profile_and_says_so(start):
    pool = await start()
    answer = await pool.workers[0].profile(Profile(1, 5.0, 2**20))
    assert (answer.code, answer.message) == (
        Code.UNSUPPORTED, "the echo runtime has no profiler"
    )  # fmt: skip
    assert await ask(pool, 7) == b"\x07"


async def test_a_worker_that_dies_leaves_no_profile_waiting(start):
    pool = await start()
    worker = pool.workers[0]
    os.kill(worker.pid, signal.SIGSTOP)
    asked = asyncio.ensure_future(worker.profile(Profile(1, 5.0, 2**20)))
    await asyncio.sleep(0)
    second = await worker.profile(Profile(1, 5.0, 2**20))
    os.kill(worker.pid, signal.SIGKILL)
    assert second.code is Code.OVERLOADED
    assert (await asked).code is Code.UNAVAILABLE
