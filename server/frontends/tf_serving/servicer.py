"""TensorFlow Serving's gRPC services, PredictionService and ModelService, free of any transport."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from google.protobuf.message import Message

from protos import tf_error_pb2 as error_code
from protos import tfs_api_pb2 as pb
from server.errors import InvalidArgument, ServingError, TooLarge
from server.frontends.calls import CallContext, StreamHandler, UnaryHandler
from server.frontends.grpc_wire import parse
from server.frontends.limits import FrontendLimits, answer_too_large_message
from server.frontends.off_loop import by_size
from server.frontends.server_timing import METADATA as TIMING
from server.frontends.server_timing import server_timing
from server.frontends.tf_serving.choice import choice_of, find, missing_for_predict
from server.frontends.tf_serving.example_calls import ExampleCalls
from server.frontends.tf_serving.metadata import SIGNATURE_DEF, check_fields, signature_defs
from server.frontends.tf_serving.predict_codec import PredictCall, decode_predict, encode_predict
from server.frontends.tf_serving.predict_plan import decode_planned
from server.frontends.tf_serving.predictor import Predictor
from server.frontends.tf_serving.status import model_status
from server.frontends.trace_context import begun_by_call
from server.planes import ControlPlane, DataPlane
from server.repository.errors import RepositoryError
from server.repository.tfs_models import served_models

PREDICTION_SERVICE = pb.DESCRIPTOR.services_by_name["PredictionService"].full_name
MODEL_SERVICE = pb.DESCRIPTOR.services_by_name["ModelService"].full_name

MAX_ERROR_LENGTH = 1024
"""Characters of an error's text, as TensorFlow Serving has it (grpc_status_util.cc)."""

Request = TypeVar("Request", bound=Message)


class TfServingServicer:
    """Handlers of every method of both services, by method path."""

    def __init__(self, data: DataPlane, control: ControlPlane, limits: FrontendLimits) -> None:
        self._data = data
        self._control = control
        self._limits = limits
        self._limit = limits.max_message_bytes
        self._predictor = Predictor(data, "grpc")
        self._examples = ExampleCalls(self._predictor, self._limit)
        predicts, models = f"/{PREDICTION_SERVICE}", f"/{MODEL_SERVICE}"
        self.unary: Mapping[str, UnaryHandler] = {
            f"{predicts}/Predict": _shortened(self._predict),
            f"{predicts}/Classify": _parsed(pb.ClassificationRequest, self._classify),
            f"{predicts}/Regress": _parsed(pb.RegressionRequest, self._regress),
            f"{predicts}/MultiInference": _parsed(pb.MultiInferenceRequest, self._multi_inference),
            f"{predicts}/GetModelMetadata": _parsed(pb.GetModelMetadataRequest, self._metadata),
            f"{models}/GetModelStatus": _parsed(pb.GetModelStatusRequest, self._status),
            f"{models}/HandleReloadConfigRequest": _parsed(pb.ReloadConfigRequest, self._reload),
        }
        self.streams: Mapping[str, StreamHandler] = {}

    async def _predict(self, payload: bytes, context: CallContext) -> bytes:
        with self._predictor.exchange() as exchange:
            exchange.bytes_in = len(payload)
            call = await self._decode(payload)
            choice = call.choice
            exchange.model, exchange.version = choice.model, choice.asked
            begun_by_call(exchange, context)
            chosen = self._predictor.choose(choice, missing_for_predict)
            answer = await self._predictor.infer(
                chosen, exchange, call.inputs, call.outputs, context.deadline_ns
            )
            reply = encode_predict(choice.model, answer.version, chosen.name, answer.outputs)
            if len(reply) > self._limit:
                raise TooLarge(answer_too_large_message(len(reply), self._limit))
            exchange.encoded(len(reply))
            if self._limits.server_timing:
                context.trailing[TIMING] = server_timing(exchange)
            return reply

    async def _decode(self, payload: bytes) -> PredictCall:
        if (planned := decode_planned(payload)) is not None:
            return planned
        return await by_size(len(payload), decode_predict, payload, self._limit)

    async def _classify(self, request: pb.ClassificationRequest, context: CallContext) -> Message:
        choice = choice_of(request.model_spec)
        return await self._examples.classify(choice, request.input, context)

    async def _regress(self, request: pb.RegressionRequest, context: CallContext) -> Message:
        choice = choice_of(request.model_spec)
        return await self._examples.regress(choice, request.input, context)

    async def _multi_inference(
        self, request: pb.MultiInferenceRequest, context: CallContext
    ) -> Message:
        return await self._examples.each(request.tasks, request.input, context)

    async def _metadata(self, request: pb.GetModelMetadataRequest, _: CallContext) -> Message:
        choice = choice_of(request.model_spec)
        check_fields(request.metadata_field)
        metadata = find(self._data, choice)
        response = pb.GetModelMetadataResponse()
        response.model_spec.name = choice.model
        response.model_spec.version.value = metadata.version
        response.metadata[SIGNATURE_DEF].Pack(signature_defs(metadata))
        return response

    async def _status(self, request: pb.GetModelStatusRequest, _: CallContext) -> Message:
        return await model_status(self._data, self._control, choice_of(request.model_spec))

    async def _reload(self, request: pb.ReloadConfigRequest, _: CallContext) -> Message:
        """Replace the whole set of models; an error is the call's, as with TensorFlow Serving."""
        if request.config.WhichOneof("config") == "custom_model_config":
            raise InvalidArgument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
                "ModelConfigList is currently supported"
            )
        try:
            models = served_models(request.config, "config")
        except RepositoryError as error:
            raise InvalidArgument(error.reason) from None
        await self._control.replace_models(models)
        response = pb.ReloadConfigResponse()
        response.status.error_code = error_code.OK
        return response


def _parsed(
    kind: type[Request], answer: Callable[[Request, CallContext], Awaitable[Message]]
) -> UnaryHandler:
    """A handler of bytes around one of messages."""

    async def handle(payload: bytes, context: CallContext) -> bytes:
        reply: bytes = (await answer(parse(kind, payload), context)).SerializeToString()
        return reply

    return _shortened(handle)


def _shortened(handler: UnaryHandler) -> UnaryHandler:
    """The same with errors of bounded length."""

    async def handle(payload: bytes, context: CallContext) -> bytes:
        try:
            return await handler(payload, context)
        except ServingError as error:
            error.message = error.message[:MAX_ERROR_LENGTH]
            raise

    return handle
