"""What it brings that a worker's stages run beside its model: batches in turn and overlapped.

`python -m loadtests.beside_the_model` runs a worker's pipeline on batches of eight 602,112-byte
tensors, for a model that takes 5 ms off the CPU, as on a GPU, and for one that takes them on it.
Both ways alternate many times, so that what else the machine does hits them alike.
"""

from __future__ import annotations

import hashlib
import statistics
import threading
import time
from collections.abc import Sequence

from runtimes import pipeline
from runtimes.batching.decide import Limits
from runtimes.batching.queue import BatchQueue
from runtimes.contract.messages import Infer, Message, Result
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec
from runtimes.functions import Function

SIZE, ROWS, CLIENTS = 602_112, 8, 24
COMPUTE_S, RUN_S, ROUNDS = 0.005, 0.25, 14
SPEC = TensorSpec("x", Datatype.UINT8, (-1, SIZE))
NEVER_NS = 10**15


class Model:
    """Gives back what it gets after COMPUTE_S."""

    signature = Signature((SPEC,), (SPEC,))
    max_batch_size = ROWS
    device = "cpu"

    def __init__(self, on_cpu: bool) -> None:
        self.facts: dict[str, str] = {}
        self._on_cpu = on_cpu

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> Sequence[Tensor]:
        """The inputs."""
        if not self._on_cpu:
            time.sleep(COMPUTE_S)
        started = time.thread_time()
        while self._on_cpu and time.thread_time() - started < COMPUTE_S:
            hashlib.sha256(inputs[0].data)  # without the interpreter's lock, like a framework
        return inputs


class Clients:
    """Take their answers, and ask again until `end`; an outbox to themselves."""

    def __init__(self, batches: BatchQueue, end: float) -> None:
        self.outbox = self
        self.answered = 0
        self._batches = batches
        self._end = end
        self._data = bytearray(SIZE)

    def ask(self, number: int) -> None:
        """One request."""
        tensor = Tensor("x", Datatype.UINT8, (1, SIZE), memoryview(self._data))
        self._batches.put(Infer(number, (tensor,)), self)

    def send(self, *messages: Message) -> None:
        """Copy each answer, as into shared memory."""
        for message in messages:
            if not isinstance(message, Result):
                raise TypeError(f"expected an answer, got {message}")
            bytes(message.outputs[0].data)
            self.answered += 1
            if time.monotonic() < self._end:
                self.ask(message.id)


def measure(model: Model, handover_ns: int) -> float:
    """Answers per second; stages that take longer than `handover_ns` run beside the model."""
    pipeline.HANDOVER_NS = handover_ns
    limits = Limits(ROWS)
    batches = BatchQueue(limits)
    clients = Clients(batches, time.monotonic() + RUN_S)
    for number in range(CLIENTS):
        clients.ask(number)
    timer = threading.Timer(RUN_S, batches.close)
    timer.start()
    asked = {"": Function("serving_default", model, limits)}
    pipeline.Pipeline(asked, batches, pipeline.Busy(), 2**40).run()
    timer.join()
    return clients.answered / RUN_S


def main() -> None:
    """Measure and print."""
    usual_ns = pipeline.HANDOVER_NS
    for where, on_cpu in (("off", False), ("on", True)):
        model = Model(on_cpu)
        pairs = [(measure(model, NEVER_NS), measure(model, usual_ns)) for _ in range(ROUNDS)]
        in_turn, beside = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{where} the CPU: {in_turn:.0f}/s in turn, {beside:.0f}/s beside the model")


if __name__ == "__main__":
    main()
