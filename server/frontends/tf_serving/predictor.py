"""Asks the data plane on behalf of all of TensorFlow Serving's calls, gRPC or REST."""

from __future__ import annotations

from collections.abc import Sequence

from runtimes.contract.tensor import Signature, Tensor
from server.errors import InvalidArgument
from server.exchange import Exchange
from server.frontends.tf_serving.choice import Chosen, MissingSignature, ModelChoice, choose
from server.inference import InferenceRequest, InferenceResponse
from server.planes import DataPlane


class Predictor:
    """`protocol` (`rest` or `grpc`) labels the metrics."""

    def __init__(self, data: DataPlane, protocol: str) -> None:
        self._data = data
        self._protocol = protocol

    def exchange(self, choice: ModelChoice | None = None) -> Exchange:
        """What one inference is to happen in; see planes.DataPlane."""
        if choice is None:
            return self._data.exchange(self._protocol)
        return self._data.exchange(self._protocol, choice.model, choice.asked)

    def choose(self, choice: ModelChoice, missing: MissingSignature) -> Chosen:
        """See `choice.choose`."""
        return choose(self._data, choice, missing)

    async def infer(
        self,
        chosen: Chosen,
        exchange: Exchange,
        inputs: Sequence[Tensor],
        outputs: tuple[str, ...] = (),
        deadline_ns: int = 0,
    ) -> InferenceResponse:
        """The answer of the version chosen. Raises InvalidArgument for inputs or outputs that the
        signature does not have, and whatever the data plane raises.
        """
        signature, choice = chosen.signature, chosen.choice
        if not (len(inputs) == len(signature.inputs) == 1 and inputs[0].name == _only(signature)):
            inputs = in_order(inputs, signature)
        check_outputs(outputs, signature)
        request = InferenceRequest(
            choice.model,
            tuple(inputs),
            choice.asked,
            outputs=outputs,
            deadline_ns=deadline_ns,
            signature=choice.signature,
        )
        return await self._data.infer(request, exchange)


def in_order(inputs: Sequence[Tensor], signature: Signature) -> list[Tensor]:
    """`inputs` in the order of `signature`, which a map of them does not have.

    Raises InvalidArgument, in TensorFlow Serving's words (predict_util.cc), where their names are
    not those of the signature.
    """
    given = {tensor.name: tensor for tensor in inputs}
    known = {spec.name for spec in signature.inputs}
    missing = {spec.name for spec in signature.inputs if not spec.optional} - given.keys()
    extra = given.keys() - known
    if len(extra) != len(missing):
        raise InvalidArgument(
            f"input size does not match signature: {len(given)}!={len(known)} len({_set(given)}) "
            f"!= len({_set(known)}). Sent extra: {_set(extra)}. Missing but required: "
            f"{_set(missing)}."
        )
    if extra:
        raise InvalidArgument(
            f"input tensor alias not found in signature: {min(extra)[:256]}. Inputs expected to be "
            f"in the set {_set(known)}."
        )
    return [given[spec.name] for spec in signature.inputs if spec.name in given]


def check_outputs(outputs: Sequence[str], signature: Signature) -> None:
    """Raises InvalidArgument for outputs that there are not, or that are asked for twice."""
    known = {spec.name for spec in signature.outputs} if outputs else set()
    for position, name in enumerate(outputs):
        if name not in known:
            raise InvalidArgument(
                f"output tensor alias not found in signature: {name[:256]} Outputs expected to be "
                f"in the set {_set(known)}."
            )
        if name in outputs[:position]:
            raise InvalidArgument(f"duplicate output tensor alias: {name}")


def _only(signature: Signature) -> str:
    return signature.inputs[0].name


def _set(names: object) -> str:
    """Names as TensorFlow Serving lists them."""
    shown = sorted(names)  # type: ignore[call-overload]
    return "{" + ",".join(name[:256] for name in shown[:64]) + "}"
