"""Which users there are where none are named: those whose protocol the server speaks."""

from __future__ import annotations

import logging

import requests
from locust import events
from locust.env import Environment

from loadtests.generator.trust import Trust
from loadtests.users.catalogue import DEFAULT_HOST
from loadtests.users.grpc import TfServingGrpc
from loadtests.users.rest import TfServingRest
from loadtests.wire import token

TIMEOUT = 5.0
OF_TF_SERVING = (TfServingRest, TfServingGrpc)
log = logging.getLogger(__name__)


@events.init.add_listener
def _choose(environment: Environment, **_: object) -> None:
    options = environment.parsed_options
    if options is None or getattr(options, "user_classes", None):
        return
    host = (environment.host or DEFAULT_HOST).rstrip("/")
    if not speaks_tf_serving(host):
        log.info("%s does not speak TensorFlow Serving's API: no users of it", host)
        environment.user_classes = [
            kind for kind in environment.user_classes if kind not in OF_TF_SERVING
        ]


def speaks_tf_serving(host: str) -> bool:
    """Whether it knows the path of a model's status, though not that model.

    An error about a model is JSON with an `error`, as TensorFlow Serving words it; a path that
    nobody serves is answered otherwise.
    """
    try:
        trust, auth = Trust().verify, token.from_environment().auth
        index = requests.post(
            f"{host}/v2/repository/index", json={"ready": True}, timeout=TIMEOUT, verify=trust,
            auth=auth,
        )  # fmt: skip
        name = index.json()[0]["name"]
        status = requests.get(f"{host}/v1/models/{name}", timeout=TIMEOUT, verify=trust, auth=auth)
        return status.status_code == 200 and "model_version_status" in status.json()
    except (requests.RequestException, ValueError, KeyError, IndexError, TypeError):
        return False
