"""One question after the other, answers as arrays: for the golden set and the first request."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import grpc
import requests

from loadtests.compare.model_page import model_page
from loadtests.compare.places import Place
from loadtests.compare.refused import check_answer, check_error
from loadtests.compare.underway import ServerError
from loadtests.generator.answer import TIMEOUT
from loadtests.generator.target import GRPC
from loadtests.generator.trust import is_tls
from loadtests.samples.discover import signature_of
from loadtests.samples.labels import known
from loadtests.samples.made_up import made_up
from loadtests.samples.sample import Answers, Sample
from loadtests.wire import oip_grpc, oip_rest, tfs_grpc, tfs_rest, torchserve
from runtimes.contract.tensor import Signature

SHOWN = 200

UNTRUSTED = (
    "has no certificate that is believed: say ca_file, the authority's certificate as PEM, and a "
    "name in url that the certificate has"
)


def signature_at(place: Place) -> Signature:
    """By the model's metadata. Raises ServerError, RefusedError where it is not shown to us."""
    if not place.rest:
        raise ServerError(
            f"candidate '{place.name}' can't be the reference: it has no metadata of the Open "
            "Inference Protocol. Say its rest, or name another as parity.reference"
        )
    try:
        return signature_of(model_page(place, "", TIMEOUT).json())
    except requests.exceptions.SSLError:
        raise ServerError(f"candidate '{place.name}' {UNTRUSTED}") from None
    except (requests.RequestException, ValueError, KeyError, TypeError):
        raise ServerError(f"candidate '{place.name}': no metadata of {place.model}") from None


def samples_for(signature: Signature, rows: int) -> list[Sample]:
    """Real ones for the demo's models, made-up ones for others; the same on every call."""
    return known(signature, rows) or made_up(signature, rows)


def renamed(samples: Sequence[Sample], names: Mapping[str, str]) -> list[Sample]:
    """With the inputs' names that a candidate has for them."""
    return [
        replace(
            sample,
            inputs=tuple(
                replace(item, name=names.get(item.name, item.name)) for item in sample.inputs
            ),
        )
        for sample in samples
    ]


def ask(
    place: Place, samples: Sequence[Sample], signature: Signature
) -> tuple[list[Answers], list[float]]:
    """The answers, outputs under the reference's names, and the seconds each took.

    Raises ServerError where one is refused or can't be read, RefusedError where nobody with this
    token, or without one, may ask.
    """
    own = renamed(samples, place.candidate.names)
    back = {theirs: ours for ours, theirs in place.candidate.names.items()}
    outputs = tuple(
        replace(spec, name=place.candidate.names.get(spec.name, spec.name))
        for spec in signature.outputs
    )
    asked = replace(signature, outputs=outputs)
    try:
        found = _by_grpc(place, own) if place.protocol in GRPC else _by_http(place, own, asked)
    except requests.exceptions.SSLError:
        raise ServerError(f"candidate '{place.name}' {UNTRUSTED}") from None
    except (requests.RequestException, grpc.RpcError) as error:
        check_error(place, error)
        hint = f", or it {UNTRUSTED}" if is_tls(place.address) else ""
        reason = _reason(error) + hint
        raise ServerError(f"candidate '{place.name}' does not answer: {reason}") from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        reason = place.token.hidden_in(str(error))[:SHOWN]
        raise ServerError(f"candidate '{place.name}': no answer to read ({reason})") from None
    answers: list[Answers] = [
        {back.get(name, name): array for name, array in answer.items()} for answer, _ in found
    ]
    return answers, [seconds for _, seconds in found]


def _by_http(
    place: Place, samples: Sequence[Sample], signature: Signature
) -> list[tuple[Answers, float]]:
    found = []
    with requests.Session() as session:
        # As in the load: compressing takes time, and Triton does it for whoever can read it.
        session.headers["Accept-Encoding"] = "identity"
        for sample in samples:
            if place.protocol == "tfs-rest":
                call = tfs_rest.predict(place.model, sample)
            elif place.protocol == "torchserve":
                call = torchserve.predictions(place.model, sample)
            elif place.protocol == "rest":
                call = oip_rest.binary(place.model, sample)
            else:
                call = oip_rest.json(place.model, sample)
            began = time.monotonic()
            answer = session.post(
                place.address + call.path, call.body, headers=dict(call.headers), timeout=TIMEOUT,
                verify=place.trust.verify, auth=place.token.auth, allow_redirects=False,
            )  # fmt: skip
            seconds = time.monotonic() - began
            check_answer(place, answer)
            if answer.status_code != 200:
                text = place.token.hidden_in(answer.text)[:SHOWN]
                raise ServerError(f"candidate '{place.name}': {answer.status_code} {text}")
            if place.protocol == "tfs-rest":
                read = tfs_rest.read(answer.content, signature)
            elif place.protocol == "torchserve":
                read = torchserve.read(answer.content, signature)
            else:
                read = oip_rest.read(answer.content, answer.headers)
            found.append((read, seconds))
    return found


def _by_grpc(place: Place, samples: Sequence[Sample]) -> list[tuple[Answers, float]]:
    found = []
    wire = tfs_grpc if place.protocol == "tfs-grpc" else oip_grpc
    with _channel(place) as channel:
        call = channel.unary_unary(wire.METHOD, bytes, bytes)
        shown = tuple(place.token.headers.items())
        for sample in samples:
            message = wire.request(place.model, sample)
            began = time.monotonic()
            answer = call(message, timeout=TIMEOUT, wait_for_ready=True, metadata=shown)
            found.append((wire.read(answer), time.monotonic() - began))
    return found


def _channel(place: Place) -> grpc.Channel:
    address = place.address.rpartition("/")[2]
    if is_tls(place.address):
        return grpc.secure_channel(address, place.trust.credentials())
    return grpc.insecure_channel(address)


def _reason(error: Exception) -> str:
    code = getattr(error, "code", None)  # what grpc raises is a Call, too
    return str(code().name) if callable(code) else type(error).__name__
