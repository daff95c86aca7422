"""Locust's way in: `locust -f loadtests/locustfile.py --host http://127.0.0.1:8000`.

Names of classes after the options choose users (`... OipGrpc OipRest`); docs/load-testing.md has
the rest.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Locust is started from anywhere, and puts only this folder on the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loadtests.users import choice, swapping, watch
from loadtests.users.grpc import OipGrpc, TfServingGrpc
from loadtests.users.rest import OipRest, OipRestJson, TfServingRest
from loadtests.users.shape import Shape

__all__ = [
    "OipGrpc",
    "OipRest",
    "OipRestJson",
    "Shape",
    "TfServingGrpc",
    "TfServingRest",
    "choice",
    "swapping",
    "watch",
]
