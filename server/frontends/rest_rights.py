"""What each call over HTTP needs. Whatever is not listed needs the most that its port has, so that
a path which is read in two ways is never let in by the kinder one.
"""

from __future__ import annotations

import re

from server.access.rules import OPEN, Needs, Right

INFER: Needs = frozenset({Right.INFER})
CONTROL: Needs = frozenset({Right.CONTROL})
METRICS: Needs = frozenset({Right.METRICS})
OPERATE: Needs = frozenset({Right.OPERATE})
_METRICS_THERE: Needs = METRICS | OPERATE

_MODEL = r"/v2/models/[^/\n]+(?:/versions/[^/\n]+)?"
_HEALTH = ("/v2/health/live", "/v2/health/ready")
_SEEN = re.compile(rf"/v2|/v2/models/stats|{_MODEL}(?:/ready|/stats|/config)?|/docs|/openapi\.json")
"""What may be read by those who may infer."""

_ASKED = re.compile(rf"{_MODEL}/infer|/v2/repository/index")
"""What may be sent by them."""

_SHARED_MEMORY = re.compile(r"/v2/(?:system|cuda)sharedmemory/.*")
"""None is offered, so that nothing is changed; clients unregister to be tidy."""

_TF_SERVING = "/v1/"
_TF_SERVING_METRICS = "/monitoring/prometheus/metrics"


def clients_needs(method: str, path: str) -> Needs:
    """For a request to the REST port, its path without the query and decoded, as routes see it."""
    reads = method in ("GET", "HEAD")
    if reads and path in _HEALTH:
        return OPEN
    if reads and path == _TF_SERVING_METRICS:
        return METRICS
    if path[: len(_TF_SERVING)].lower() == _TF_SERVING:
        return INFER
    if not reads and method != "POST":
        return CONTROL
    known = (_SEEN if reads else _ASKED).fullmatch(path) or _SHARED_MEMORY.fullmatch(path)
    return INFER if known else CONTROL


def operators_needs(method: str, path: str) -> Needs:
    """The same for a request to the operators' port."""
    if method in ("GET", "HEAD"):
        if path in _HEALTH:
            return OPEN
        if path == "/metrics":
            return _METRICS_THERE
    return OPERATE
