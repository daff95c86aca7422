"""Makes huggingface_hub wait and retry no longer than the look at a repository may take.

Of itself its listings have no time limit, and it tries again for as long as it is told to. Imported
only where hf:// is used, which needs the extra.
"""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

import httpx2
from huggingface_hub import constants, set_client_factory
from huggingface_hub.utils import logging

TIMEOUTS = {"connect": 5.0, "read": 20.0, "write": 20.0, "pool": 20.0}
"""Seconds that one step of a request may take at most."""
_RETRIED: Collection[int] = (408, 429, 500, 502, 503, 504)


class NotNow(Exception):
    """The hub has too much to do, or is out of order."""

    def __init__(self, status: int) -> None:
        super().__init__(HTTPStatus(status).phrase)


class Client(httpx2.Client):
    """Fails at once in words that nobody tries again on: the next look does that."""

    def send(self, request: httpx2.Request, **options: object) -> httpx2.Response:
        """See httpx2.Client.send; raises TimeoutError, ConnectionError or NotNow."""
        given = request.extensions.get("timeout", {})
        bounded = {step: min(most, given.get(step) or most) for step, most in TIMEOUTS.items()}
        request.extensions = {**request.extensions, "timeout": bounded}
        try:
            response = super().send(request, **options)
        except httpx2.TimeoutException as error:
            raise TimeoutError from error
        except httpx2.TransportError as error:
            raise ConnectionError from error
        if response.status_code in _RETRIED:
            response.close()
            raise NotNow(response.status_code)
        return response


def install() -> None:
    """Have all of huggingface_hub use such a client, keep its warnings to itself, and not tell the
    hub more of this machine than it asks.
    """
    constants.HF_HUB_DISABLE_TELEMETRY = True
    logging.set_verbosity_error()
    set_client_factory(lambda: Client(follow_redirects=True))
