"""Runs a gateway from its start to its end.

What it is made of takes long to import, and so do the frameworks. So their processes are started
first, to import theirs while this one imports its own.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from server.config import ModelControl, Settings
from server.repository.glance import runtimes_at_a_glance
from server.stopping import Stopping
from server.workers.zygote import Zygotes

if TYPE_CHECKING:
    from server.gateway import Addresses, Gateway

IMPORT_TIMEOUT = 120.0


async def serve(settings: Settings, on_settled: Callable[[Addresses], None] | None = None) -> None:
    """Run a gateway until SIGTERM or SIGINT; `on_settled` is called once models are loaded."""
    made: list[Gateway] = []

    def stop_admitting() -> bool:
        return any(gateway.stop_admitting() for gateway in made)

    # At once: workers end by themselves when their sockets close.
    stopping = Stopping(settings.drain_delay, stop_admitting, lambda: os._exit(1))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.signal, number.name)
    stop = asyncio.ensure_future(stopping.asked())
    gateway = await _make(settings)
    made.append(gateway)
    # What was signalled while this process imported is heard now.
    await asyncio.sleep(0)
    starting = asyncio.ensure_future(_start(gateway, on_settled))
    try:
        await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.cancel():
            starting.result()
        await stop
        await asyncio.wait({starting})
        await stopping.delay()
    finally:
        starting.cancel()
        await asyncio.wait({starting})
        await gateway.stop()


async def _make(settings: Settings) -> Gateway:
    zygotes = Zygotes(settings.runtime_pythons, IMPORT_TIMEOUT)
    try:
        if settings.model_control is not ModelControl.EXPLICIT:
            await zygotes.begin(runtimes_at_a_glance(settings.model_repositories))
        from server.gateway import Gateway

        return Gateway(settings, zygotes)
    except BaseException:
        await zygotes.stop()
        raise


async def _start(gateway: Gateway, on_settled: Callable[[Addresses], None] | None) -> None:
    addresses = await gateway.start()
    await gateway.settle()
    _set_aside_garbage()
    if on_settled is not None:
        on_settled(addresses)


def _set_aside_garbage() -> None:
    """Leave what is there now out of garbage collections, which would stop requests for 30 ms."""
    gc.collect()
    gc.freeze()
