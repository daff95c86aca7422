"""A servicer on planes of a few models, to be asked by method path."""

from __future__ import annotations

import pytest

from server.frontends.calls import CallContext
from server.frontends.limits import FrontendLimits
from server.frontends.tf_serving.servicer import TfServingServicer
from tests.unit.server.frontends.tf_serving.messages import ANSWERS
from tests.unit.server.frontends.tf_serving.serving_double import Planes


@pytest.fixture
def planes() -> Planes:
    return Planes()


@pytest.fixture
def ask(planes):
    """Calls a method of either service."""
    servicer = TfServingServicer(planes, planes, FrontendLimits(max_message_bytes=10_000))

    async def asked(path: str, message, deadline_ns: int = 0):
        reply = await servicer.unary[path](
            message.SerializeToString(), CallContext(deadline_ns=deadline_ns)
        )
        return ANSWERS[path].FromString(reply)

    return asked
