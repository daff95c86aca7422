"""Users over gRPC, which works together with gevent by grpc's own support for it."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit

import grpc
import grpc.experimental.gevent

from loadtests.generator.trust import Trust, is_tls
from loadtests.samples.discover import Model
from loadtests.samples.sample import Answers, Sample
from loadtests.users.base import ModelUser, Question, Refused
from loadtests.users.options import Options
from loadtests.wire import oip_grpc, tfs_grpc, token

TIMEOUT = 30.0


class GrpcUser(ModelUser[bytes]):
    """A user with a connection of its own, which carries any number of requests at once."""

    abstract = True
    method: ClassVar[str]

    def connect(self, options: Options) -> None:
        """Nothing is sent yet."""
        # Here and not on import: Locust forks its processes after that.
        grpc.experimental.gevent.init_gevent()
        address = options.grpc_address or beside(str(self.host))
        # Channels to one address share a connection unless they are told not to.
        settings = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        self._channel = (
            grpc.secure_channel(address, Trust().credentials(), settings)
            if is_tls(str(self.host))
            else grpc.insecure_channel(address, settings)
        )
        self._shown = tuple(token.shown().items())
        self._call = self._channel.unary_unary(self.method, None, None)

    def exchange(self, question: Question[bytes]) -> tuple[Answers, int]:
        """Call it."""
        try:
            answer = self._call(question.call, timeout=TIMEOUT, metadata=self._shown)
        except grpc.RpcError as error:
            raise Refused(f"{error.code().name} {error.details()}") from None
        return self.read(question.model, answer), len(answer)

    def read(self, model: Model, answer: bytes) -> Answers:
        """The outputs in an answer."""
        raise NotImplementedError

    def on_stop(self) -> None:
        """Close the connection."""
        super().on_stop()
        if hasattr(self, "_channel"):
            self._channel.close()


class OipGrpc(GrpcUser):
    """The Open Inference Protocol, with raw tensors."""

    protocol = "OIP gRPC"
    method = oip_grpc.METHOD

    def encode(self, model: Model, sample: Sample) -> bytes:
        """A serialised request."""
        return oip_grpc.request(model.name, sample)

    def read(self, model: Model, answer: bytes) -> Answers:
        """The outputs."""
        return oip_grpc.read(answer)


class TfServingGrpc(GrpcUser):
    """TensorFlow Serving's Predict, with raw tensors."""

    protocol = "TFS gRPC"
    method = tfs_grpc.METHOD

    def encode(self, model: Model, sample: Sample) -> bytes:
        """A serialised request."""
        return tfs_grpc.request(model.name, sample)

    def read(self, model: Model, answer: bytes) -> Answers:
        """The outputs."""
        return tfs_grpc.read(answer)


def beside(host: str) -> str:
    """The gRPC address of a server whose REST is at `host`: the next port, as by default."""
    parts = urlsplit(host)
    if not parts.hostname or parts.port is None:
        raise ValueError("--grpc-address: expected HOST:PORT, for --host has no port")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{name}:{parts.port + 1}"
