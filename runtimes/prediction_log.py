"""TensorFlow Serving's recorded requests: what one PredictionLog asks, read from its bytes.

Only the few fields that say what to run are read; log metadata and answers are passed over. The
messages are those of tensorflow_serving/apis: prediction_log.proto and the requests it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from runtimes.contract.tensor import Buffer
from runtimes.proto_fields import MalformedError, fields, messages

_CLASSIFY, _REGRESS, _MULTI, _PREDICT = 2, 3, 4, 6
_NOT_RUN = {5: "session_run_log", 7: "predict_streamed_log"}
_REQUEST = 1  # of every log
_MODEL_SPEC, _PREDICT_INPUTS, _EXAMPLES = 1, 2, 2  # of a request; of a MultiInference's task, too
_TASKS = 1  # of a MultiInferenceRequest
_SIGNATURE_NAME = 3  # of ModelSpec
_LIST, _LIST_WITH_CONTEXT = 1, 2  # of Input
_CONTEXT = 2  # of ExampleListWithContext
_KEY, _VALUE = 1, 2  # of an entry of any map


class NotRunError(ValueError):
    """A log of a kind that is not run, or that holds nothing to run."""


@dataclass(frozen=True, slots=True)
class Logged:
    """A request: tensors by input name as serialised TensorProto, or serialised tf.Examples.

    `signature` is "" for the default one.
    """

    signature: str
    tensors: dict[str, bytes] = field(default_factory=dict)
    examples: tuple[bytes, ...] = ()


def requests_of(record: Buffer) -> list[Logged]:
    """The requests in a serialised PredictionLog: one, or one per task of a MultiInference.

    Raises MalformedError, or NotRunError for a kind of log that is not run.
    """
    for number, log in fields(record):
        if number in _NOT_RUN:
            raise NotRunError(
                f"is a {_NOT_RUN[number]}; predict_log, classify_log, regress_log and "
                "multi_inference_log are run"
            )
        if number not in (_CLASSIFY, _REGRESS, _MULTI, _PREDICT):
            continue
        if isinstance(log, int):
            raise MalformedError(f"field {number} is a number, expected a message")
        request = _merged(log, _REQUEST)
        if number == _PREDICT:
            return [Logged(_signature(request), _tensors(request))]
        examples = tuple(_examples(_merged(request, _EXAMPLES)))
        if number == _MULTI:
            return [
                Logged(_signature(task), examples=examples) for task in messages(request, _TASKS)
            ]
        return [Logged(_signature(request), examples=examples)]
    raise NotRunError("holds no request")


def _merged(data: Buffer, number: int) -> bytes:
    """The embedded message in field `number`; one that comes in parts is their bytes joined."""
    return b"".join(messages(data, number))


def _signature(data: Buffer) -> str:
    *_, name = [b"", *messages(_merged(data, _MODEL_SPEC), _SIGNATURE_NAME)]
    return _text(name)


def _tensors(request: Buffer) -> dict[str, bytes]:
    return {
        _text(_merged(entry, _KEY)): _merged(entry, _VALUE)
        for entry in messages(request, _PREDICT_INPUTS)
    }


def _examples(input_: Buffer) -> Iterator[bytes]:
    """Each example with the context, if there is one, before it: what both say, it says last."""
    yield from map(bytes, messages(_merged(input_, _LIST), 1))
    with_context = _merged(input_, _LIST_WITH_CONTEXT)
    context = _merged(with_context, _CONTEXT)
    for example in messages(with_context, 1):
        yield context + bytes(example)


def _text(data: Buffer) -> str:
    try:
        return bytes(data).decode()
    except UnicodeDecodeError:
        raise MalformedError("a name is not UTF-8") from None
