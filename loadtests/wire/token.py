"""The token that is shown to a server that wants one: UNDERWAY_TOKEN, so that no page shows it."""

from __future__ import annotations

import os

VARIABLE = "UNDERWAY_TOKEN"


def shown() -> dict[str, str]:
    """Headers of REST, and metadata of gRPC alike; none where there is no token."""
    token = os.environ.get(VARIABLE, "").strip()
    return {"authorization": f"Bearer {token}"} if token else {}
