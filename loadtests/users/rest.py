"""Users over HTTP: the Open Inference Protocol in its two forms, and TensorFlow Serving's API."""

from __future__ import annotations

import ssl

from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError

from loadtests.generator.trust import Trust
from loadtests.samples.discover import Model
from loadtests.samples.sample import Answers, Sample
from loadtests.users.base import ModelUser, Question, Refused
from loadtests.users.options import Options
from loadtests.wire import oip_rest, tfs_rest, token
from loadtests.wire.http_call import HttpCall

TIMEOUT = 30.0
SHOWN = 200


class HttpUser(ModelUser[HttpCall]):
    """A user with kept connections: one in a closed loop, as many as needed in an open one."""

    abstract = True

    def connect(self, options: Options) -> None:
        """Nothing is sent yet."""
        self._shown = token.shown()
        self._client = HTTPClient.from_url(
            str(self.host), concurrency=options.in_flight if options.moments else 1,
            connection_timeout=TIMEOUT, network_timeout=TIMEOUT, ssl_context_factory=_tls,
        )  # fmt: skip

    def exchange(self, question: Question[HttpCall]) -> tuple[Answers, int]:
        """POST it."""
        call = question.call
        try:
            headers = {**call.headers, **self._shown}
            response = self._client.request("POST", call.path, call.body, headers)
            body = bytes(response.read())
        except HTTPParseError as error:
            raise Refused(f"no HTTP answer: {type(error).__name__}") from error
        if response.status_code != 200:
            text = body[:SHOWN].decode(errors="replace")
            raise Refused(f"{response.status_code} {text}")
        length = {oip_rest.LENGTH: response.get(oip_rest.LENGTH, "")}
        return self.read(question.model, body, length), len(body)

    def read(self, model: Model, body: bytes, headers: dict[str, str]) -> Answers:
        """The outputs in an answer."""
        return oip_rest.read(body, headers)

    def on_stop(self) -> None:
        """Close the connections."""
        super().on_stop()
        if hasattr(self, "_client"):
            self._client.close()


def _tls(**_: object) -> ssl.SSLContext:
    return Trust().context()


class OipRest(HttpUser):
    """The Open Inference Protocol with binary tensors."""

    protocol = "OIP REST"

    def encode(self, model: Model, sample: Sample) -> HttpCall:
        """With binary tensors both ways."""
        return oip_rest.binary(model.name, sample)


class OipRestJson(HttpUser):
    """The Open Inference Protocol in JSON."""

    protocol = "OIP JSON"

    def encode(self, model: Model, sample: Sample) -> HttpCall | None:
        """With lists both ways."""
        return oip_rest.json(model.name, sample) if model.speaks_json else None


class TfServingRest(HttpUser):
    """TensorFlow Serving's predict."""

    protocol = "TFS REST"

    def encode(self, model: Model, sample: Sample) -> HttpCall | None:
        """Columnar: inputs by name."""
        return tfs_rest.predict(model.name, sample) if model.speaks_json else None

    def read(self, model: Model, body: bytes, headers: dict[str, str]) -> Answers:
        """The outputs, with datatypes from the model's metadata."""
        return tfs_rest.read(body, model.signature)
