"""What a frontend is made of, in the gateway's own process and event loop."""

from __future__ import annotations

from server.access.access import Access
from server.dataplane import ServingDataPlane
from server.hosting.core import FrontendCore
from server.routing.direct import DirectLink
from server.routing.messages import Welcome
from server.routing.publisher import Publisher


class CoreInside:
    """A core whose table the publisher fills directly, until it is closed."""

    def __init__(self, publisher: Publisher, welcome: Welcome) -> None:
        self._link = DirectLink(publisher, welcome.number)
        core = FrontendCore(welcome, self._link.tell)
        self.data: ServingDataPlane = core.data
        self.access: Access = core.access
        self._link.attach(core.table, core.join, core.switch)
        self._flush = core.flush

    async def close(self) -> None:
        """Let go of all loads and workers, once what is to be told of requests is sent."""
        await self._flush()
        self._link.close()
