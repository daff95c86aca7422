"""The body of a REST inference request, decoded to an InferenceRequest and the answer's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtimes.contract.tensor import Buffer, Datatype, Tensor
from server.errors import InvalidArgument
from server.frontends.open_inference import json_fields
from server.frontends.open_inference.binary_tail import BinaryTail
from server.frontends.open_inference.json_fields import JsonObject
from server.frontends.open_inference.json_tensors import decode_data
from server.frontends.open_inference.parameters import (
    RequestParameters,
    boolean,
    check_id,
    output_classes,
    refuse_shared_memory,
    request_parameters,
    whole_number,
)
from server.inference import InferenceRequest, ParameterValue, check_shape, check_size


@dataclass(frozen=True, slots=True)
class OutputForm:
    """How one output is to be sent: in the binary tail or not, and as the best `classes` or 0."""

    binary: bool = False
    classes: int = 0


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """How all outputs are to be sent: as `outputs` says by name, the others as `default`."""

    default: OutputForm = OutputForm()
    outputs: Mapping[str, OutputForm] = field(default_factory=dict)

    def of(self, output: str) -> OutputForm:
        """The form of `output`."""
        return self.outputs.get(output, self.default)

    def classifies(self) -> bool:
        """True if any output is to be sent as classes."""
        outputs = self.outputs
        return bool(outputs) and any(form.classes for form in outputs.values())


def decode_request(
    model: str, version: str, body: Buffer, json_length: int | None, now_ns: int
) -> tuple[InferenceRequest, AnswerForm]:
    """Decode a JSON body, with a binary tail where `json_length` is not None.

    Tensors of the tail are views into `body`. `now_ns` is the monotonic clock. Raises
    InvalidArgument naming the field, Unsupported for shared memory and sequences.
    """
    whole = memoryview(body)
    end = len(whole) if json_length is None else json_length
    document = json_fields.json_object(whole[:end])
    request_id = check_id(document.get("id"))
    parameters = request_parameters(json_fields.parameters(document, "the request"))
    tail = BinaryTail(whole[end:])
    inputs = tuple(_input(item, tail) for item in json_fields.objects(document, "inputs"))
    tail.finish()
    names, form = output_forms(document, parameters)
    request = InferenceRequest(
        model=model,
        version=version,
        id=request_id,
        inputs=inputs,
        outputs=names,
        deadline_ns=parameters.deadline_ns(now_ns),
        priority=parameters.priority,
        parameters=parameters.custom,
        signature=parameters.signature,
    )
    return request, form


def _input(item: JsonObject, tail: BinaryTail) -> Tensor:
    name, datatype, shape, size = describe_input(item)
    if size is None:
        return Tensor(name, datatype, shape, decode_data(name, datatype, shape, item["data"]))
    tensor = Tensor(name, datatype, shape, tail.take(name, size))
    check_size(tensor)
    return tensor


def describe_input(item: JsonObject) -> tuple[str, Datatype, tuple[int, ...], int | None]:
    """Name, datatype, shape and bytes in the tail of an entry of `inputs`; None for `data`.

    Raises InvalidArgument or Unsupported, naming the field.
    """
    name = json_fields.tensor_name(item, "inputs")
    datatype = _datatype(name, item.get("datatype"))
    shape = _dims(name, item.get("shape"))
    parameters = json_fields.parameters(item, f"input '{name}'")
    refuse_shared_memory("input", name, parameters)
    in_tail = "binary_data_size" in parameters
    if in_tail is ("data" in item):
        raise InvalidArgument(
            "Input must set only one of the following fields: 'data', 'binary_data_size' in "
            f"'parameters'. Input '{name}' sets {'both' if in_tail else 'neither'}"
        )
    size = whole_number(parameters, "binary_data_size", 2**63 - 1) if in_tail else None
    return name, datatype, shape, size


def output_forms(
    document: JsonObject, parameters: RequestParameters
) -> tuple[tuple[str, ...], AnswerForm]:
    """The outputs asked for by name, in order, and how they and all others are to be sent."""
    default = OutputForm(parameters.binary_data_output)
    names: list[str] = []
    forms: dict[str, OutputForm] = {}
    if document.get("outputs") is not None:
        for item in json_fields.objects(document, "outputs"):
            name = json_fields.tensor_name(item, "outputs")
            given = json_fields.parameters(item, f"output '{name}'")
            names.append(name)
            forms[name] = _output_form(name, given, default) if given else default
    return tuple(names), AnswerForm(default, forms)


def _output_form(
    name: str, parameters: Mapping[str, ParameterValue], default: OutputForm
) -> OutputForm:
    refuse_shared_memory("output", name, parameters)
    binary = boolean(parameters, "binary_data", default.binary)
    return OutputForm(binary, output_classes(name, parameters))


def _datatype(name: str, value: object) -> Datatype:
    found = _DATATYPES.get(value) if isinstance(value, str) else None
    if found is None:
        shown = f"'{value[:32]}'" if isinstance(value, str) else "not a string"
        raise InvalidArgument(
            f"input '{name}': datatype is {shown}, expected one of {', '.join(Datatype)}"
        )
    return found


_DATATYPES: Mapping[str, Datatype] = {datatype.value: datatype for datatype in Datatype}


def _dims(name: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or any(type(dim) is not int for dim in value):
        raise InvalidArgument(f"input '{name}': 'shape' must be a list of integers")
    shape = tuple(value)
    check_shape(name, shape)
    return shape
