"""Classify, Regress and MultiInference: calls that bring examples, whichever way they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from protos import tfs_api_pb2 as pb
from server.errors import InvalidArgument, Unsupported
from server.frontends.calls import CallContext
from server.frontends.off_loop import by_size
from server.frontends.tf_serving.choice import (
    CLASSIFY,
    REGRESS,
    ModelChoice,
    choice_of,
    missing_for_examples,
)
from server.frontends.tf_serving.examples import example_tensors
from server.frontends.tf_serving.predict_codec import model_spec
from server.frontends.tf_serving.predictor import Predictor
from server.frontends.tf_serving.results import (
    class_outputs,
    classification_result,
    regression_result,
    value_output,
)
from server.frontends.trace_context import begun_by_call

MAX_TASKS = 64


class ExampleCalls:
    """Answers through `predictor`; `limit` bounds the bytes that repetitions stand for."""

    def __init__(self, predictor: Predictor, limit: int) -> None:
        self._predictor = predictor
        self._limit = limit

    async def classify(
        self, choice: ModelChoice, given: pb.Input, context: CallContext
    ) -> pb.ClassificationResponse:
        """The classes of every example. Raises ServingError."""
        with self._predictor.exchange(choice) as exchange:
            begun_by_call(exchange, context)
            exchange.bytes_in = given.ByteSize()
            chosen = self._predictor.choose(choice, missing_for_examples)
            told = class_outputs(chosen)
            tensors, examples = await by_size(
                exchange.bytes_in, example_tensors, chosen, given, self._limit
            )
            answer = await self._predictor.infer(
                chosen, exchange, tensors, told.names, context.deadline_ns
            )
            labels = chosen.metadata.settings.output_labels
            response = pb.ClassificationResponse(
                model_spec=model_spec(choice.model, answer.version, chosen.name),
                result=classification_result(told, answer.outputs, examples, labels),
            )
            exchange.encoded(response.ByteSize())
            return response

    async def regress(
        self, choice: ModelChoice, given: pb.Input, context: CallContext
    ) -> pb.RegressionResponse:
        """The value of every example. Raises ServingError."""
        with self._predictor.exchange(choice) as exchange:
            begun_by_call(exchange, context)
            exchange.bytes_in = given.ByteSize()
            chosen = self._predictor.choose(choice, missing_for_examples)
            output = value_output(chosen)
            tensors, examples = await by_size(
                exchange.bytes_in, example_tensors, chosen, given, self._limit
            )
            answer = await self._predictor.infer(
                chosen, exchange, tensors, (output,), context.deadline_ns
            )
            response = pb.RegressionResponse(
                model_spec=model_spec(choice.model, answer.version, chosen.name),
                result=regression_result(answer.outputs[0], examples),
            )
            exchange.encoded(response.ByteSize())
            return response

    async def each(
        self, tasks: Sequence[pb.InferenceTask], given: pb.Input, context: CallContext
    ) -> pb.MultiInferenceResponse:
        """Every task's results for the same examples, all by one version. Raises ServingError."""
        choices = _choices(tasks)
        response = pb.MultiInferenceResponse()
        version = ""
        for task, choice in zip(tasks, choices, strict=True):
            if version:
                # The default may move on between two tasks; what answered the first answers all.
                choice = replace(choice, version=version, label="")
            result = response.results.add()
            if task.method_name == CLASSIFY:
                classified = await self.classify(choice, given, context)
                result.classification_result.CopyFrom(classified.result)
                result.model_spec.CopyFrom(classified.model_spec)
            else:
                regressed = await self.regress(choice, given, context)
                result.regression_result.CopyFrom(regressed.result)
                result.model_spec.CopyFrom(regressed.model_spec)
            version = str(result.model_spec.version.value)
        return response


def _choices(tasks: Sequence[pb.InferenceTask]) -> list[ModelChoice]:
    """What each task chooses; raises InvalidArgument or Unsupported."""
    if not 0 < len(tasks) <= MAX_TASKS:
        raise InvalidArgument(f"the request has {len(tasks)} tasks, expected 1 to {MAX_TASKS}")
    choices = [choice_of(task.model_spec) for task in tasks]
    for task in tasks:
        if task.method_name not in (CLASSIFY, REGRESS):
            raise Unsupported(
                f"Unsupported signature method_name: {task.method_name[:256]}. Expected {CLASSIFY} "
                f"or {REGRESS}"
            )
    first = choices[0]
    if any(replace(one, signature="") != replace(first, signature="") for one in choices):
        raise InvalidArgument("all tasks must name one model, and the same version of it")
    names = [choice.signature for choice in choices]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidArgument(f"Duplicate evaluation of signature: {twice[:256]}")
    return choices
