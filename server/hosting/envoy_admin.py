"""Envoy's own admin interface, over a unix socket in the gateway's private folder."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import socket
from pathlib import Path

from server.hosting.envoy_config import STAT_PREFIX

_LOOK_EVERY = 0.02
_TIMEOUT = 10.0
_ACTIVE = re.compile(rf"http\.{STAT_PREFIX}\.downstream_rq_active: (\d+)")


def admin_path(door: Path) -> Path:
    """Where the Envoy of this process has its admin socket, beside the gateway's at `door`."""
    return door.parent / f"envoy-{os.getpid()}.sock"


class EnvoyAdmin:
    """Asks the Envoy that listens at `path`. Everything raises OSError where there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def listening(self) -> None:
        """Return when clients are answered."""
        while True:
            try:
                if await self._ask("GET", "/ready") == "LIVE":
                    return
            except (FileNotFoundError, ConnectionRefusedError):
                pass  # it opens this socket while it starts
            await asyncio.sleep(_LOOK_EVERY)

    async def has_certificates(self, *, of_clients: bool) -> bool:
        """Whether it speaks TLS by now; with `of_clients` also whether it knows who may come."""
        found = json.loads(await self._ask("GET", "/certs"))["certificates"]
        own = any(one["cert_chain"] for one in found)
        return own and (not of_clients or any(one["ca_cert"] for one in found))

    async def drain(self) -> None:
        """Close the ports, and have clients take their next request elsewhere."""
        # With this, answers carry GOAWAY or Connection: close.
        await self._ask("POST", "/healthcheck/fail")
        await self._ask("POST", "/drain_listeners?skip_exit")

    async def idle(self) -> None:
        """Return when no request is under way and no answer is still being sent."""
        while await self._active():
            await asyncio.sleep(_LOOK_EVERY)

    async def quit(self) -> None:
        """End the process, which is this one."""
        await self._ask("POST", "/quitquitquit")

    async def _active(self) -> int:
        text = await self._ask("GET", "/stats?filter=downstream_rq_active")
        return sum(map(int, _ACTIVE.findall(text)))

    async def _ask(self, method: str, target: str) -> str:
        return await asyncio.to_thread(self._ask_now, method, target)

    def _ask_now(self, method: str, target: str) -> str:
        connection = http.client.HTTPConnection("envoy", timeout=_TIMEOUT)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.sock.settimeout(_TIMEOUT)
            connection.sock.connect(str(self._path))
            connection.request(method, target)
            return connection.getresponse().read().decode().strip()
        except http.client.HTTPException as error:
            raise OSError(f"Envoy's admin interface: {error!r}") from None
        finally:
            connection.close()
