"""Which models a server has, and what to ask each of them, by the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from loadtests.generator.trust import Trust
from loadtests.samples.labels import known
from loadtests.samples.made_up import made_up
from loadtests.samples.sample import Sample
from loadtests.wire import oip_rest, token
from runtimes.contract.tensor import Datatype, Signature, TensorSpec

TIMEOUT = 30.0
RIGHT_SHARE = 0.8
"""So many of the labelled samples must be answered right, or it is not the model it seems."""


class DiscoveryError(Exception):
    """What to ask cannot be found out; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model to ask; `signature` as its metadata has it."""

    name: str
    signature: Signature
    samples: tuple[Sample, ...]

    @property
    def speaks_json(self) -> bool:
        """Whether all its tensors can be numbers in JSON."""
        halves = (Datatype.FP16, Datatype.BF16)
        specs = (*self.signature.inputs, *self.signature.outputs)
        return not any(spec.datatype in halves for spec in specs)


def discover(
    url: str, names: Sequence[str] = (), rows: int = 1, trust: Trust | None = None
) -> list[Model]:
    """The models `names` at `url`, or all that are ready, with samples of `rows` rows.

    Of labelled samples only those stay that are answered right now: no model is perfect, and from
    then on a wrong answer is the server's. Over TLS it must be one that `trust` believes, or the
    system where that is left out. Raises DiscoveryError.
    """
    with requests.Session() as session:
        # Also said with every call: what is said here alone yields to REQUESTS_CA_BUNDLE.
        session.verify = (trust or Trust()).verify
        try:
            session.auth = token.from_environment().auth
            found = list(names) or _ready(session, url)
            if not found:
                raise DiscoveryError(f"{url} has no model that is ready")
            return [_model(session, url, name, rows) for name in found]
        except token.BadTokenError as error:
            raise DiscoveryError(str(error)) from None
        except requests.RequestException as error:
            reason = type(error).__name__
            raise DiscoveryError(f"{url} can't be asked for its models: {reason}") from error


def _ready(session: requests.Session, url: str) -> list[str]:
    answer = session.post(
        f"{url}/v2/repository/index", json={"ready": True}, timeout=TIMEOUT, verify=session.verify
    )
    if answer.status_code == 401:
        raise DiscoveryError(f"{url} wants a token: put one that may infer into {token.VARIABLE}")
    if answer.status_code != 200:
        raise DiscoveryError(
            f"{url} has no repository index ({answer.status_code}): name the models to ask"
        )
    return sorted({entry["name"] for entry in answer.json()})


def _model(session: requests.Session, url: str, name: str, rows: int) -> Model:
    answer = session.get(
        f"{url}/v2/models/{quote(name, safe='')}", timeout=TIMEOUT, verify=session.verify
    )
    if answer.status_code != 200:
        raise DiscoveryError(f"model {name}: {answer.status_code} {answer.text[:200]}")
    signature = signature_of(answer.json())
    samples = known(signature, rows)
    if samples:
        return Model(name, signature, tuple(_right(session, url, name, samples)))
    return Model(name, signature, tuple(made_up(signature, rows)))


def signature_of(metadata: dict[str, list[dict[str, Any]]]) -> Signature:
    """The signature in an answer to a request for a model's metadata."""
    sides = [
        tuple(
            TensorSpec(str(item["name"]), Datatype(item["datatype"]), tuple(item["shape"]))
            for item in metadata[side]
        )
        for side in ("inputs", "outputs")
    ]
    return Signature(*sides)


def _right(
    session: requests.Session, url: str, name: str, samples: Sequence[Sample]
) -> list[Sample]:
    right, wrong = [], ""
    for sample in samples:
        call = oip_rest.binary(name, sample)
        answer = session.post(
            url + call.path, call.body, headers=call.headers, timeout=TIMEOUT,
            verify=session.verify,
        )  # fmt: skip
        if answer.status_code != 200:
            raise DiscoveryError(f"model {name}: {answer.status_code} {answer.text[:200]}")
        complaint = sample.check(oip_rest.read(answer.content, answer.headers))
        if complaint:
            wrong = complaint
        else:
            right.append(sample)
    # Of several rows one wrong is enough, so that the share of samples falls with the rows.
    needed = RIGHT_SHARE ** max(1, len(samples[0].inputs[0].array))
    if len(right) < needed * len(samples):
        raise DiscoveryError(
            f"model {name} answers {len(samples) - len(right)} of {len(samples)} questions wrong "
            f"before there is any load ({wrong})"
        )
    return right
