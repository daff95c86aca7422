"""JSON Schemas of what travels over REST, for the OpenAPI page; nothing is validated with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtimes.contract.tensor import Datatype

Schema = dict[str, object]


def ref(name: str) -> Schema:
    """A reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(
    properties: Mapping[str, Schema], required: Sequence[str] = (), description: str = ""
) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    if description:
        schema["description"] = description
    return schema


def _array(items: Schema, description: str = "") -> Schema:
    schema: Schema = {"type": "array", "items": items}
    return schema | {"description": description} if description else schema


def _text(description: str = "") -> Schema:
    return {"type": "string", "description": description} if description else {"type": "string"}


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def _count(description: str = "") -> Schema:
    return {"type": "integer", "minimum": 0} | ({"description": description} if description else {})


_SHAPE = _array(_count(), "Concrete dimensions, batch first; empty for a scalar.")
_PLAIN: Schema = {"type": ["boolean", "integer", "number", "string"]}
_BINARY_SIZE = _count("Bytes of this tensor in the binary part; takes the place of `data`.")
_DATA = _array(
    {},
    "Elements in row-major order, flat or nested: numbers, true/false for BOOL, strings for "
    "BYTES. FP16 and BF16 travel in binary form only.",
)

SCHEMAS: dict[str, Schema] = {
    "Error": _object({"error": _text("What was wrong, and what was expected.")}, ["error"]),
    "Datatype": {"type": "string", "enum": [datatype.value for datatype in Datatype]},
    "InferInput": _object(
        {
            "name": _text(),
            "datatype": ref("Datatype"),
            "shape": _SHAPE,
            "data": _DATA,
            "parameters": _object({"binary_data_size": _BINARY_SIZE}),
        },
        ["name", "datatype", "shape"],
        "Exactly one of `data` and `parameters.binary_data_size` is set.",
    ),
    "InferRequestedOutput": _object(
        {
            "name": _text(),
            "parameters": _object(
                {
                    "binary_data": _flag("Send this output in the binary part."),
                    "classification": _count(
                        "Send the best n classes instead, as `value:index[:label]`."
                    ),
                }
            ),
        },
        ["name"],
    ),
    "InferRequest": _object(
        {
            "id": {"type": "string", "maxLength": 1024, "description": "Given back as it is."},
            "parameters": {
                "type": "object",
                "properties": {
                    "binary_data_output": _flag("Send every output in the binary part."),
                    "timeout": _count("Microseconds this request may take; 0 for no limit."),
                    "priority": _count("0 for the model's default."),
                    "signature_name": _text("Which of the model's signatures to call."),
                },
                "additionalProperties": _PLAIN,
            },
            "inputs": _array(ref("InferInput")),
            "outputs": _array(ref("InferRequestedOutput"), "Leave out for all outputs."),
        },
        ["inputs"],
    ),
    "InferOutput": _object(
        {
            "name": _text(),
            "datatype": ref("Datatype"),
            "shape": _SHAPE,
            "parameters": _object({"binary_data_size": _BINARY_SIZE}),
            "data": _array(
                {}, "Elements in row-major order, flat. NaN and infinity are null in JSON."
            ),
        },
        ["name", "datatype", "shape"],
    ),
    "InferResponse": _object(
        {
            "model_name": _text(),
            "model_version": _text(),
            "id": _text("Absent where the request had none."),
            "outputs": _array(ref("InferOutput")),
        },
        ["model_name", "model_version", "outputs"],
    ),
    "ServerMetadata": _object(
        {"name": _text(), "version": _text(), "extensions": _array(_text())},
        ["name", "version", "extensions"],
    ),
    "TensorMetadata": _object(
        {
            "name": _text(),
            "datatype": ref("Datatype"),
            "shape": _array({"type": "integer", "minimum": -1}, "-1 is any size."),
        },
        ["name", "datatype", "shape"],
    ),
    "ModelMetadata": _object(
        {
            "name": _text(),
            "versions": _array(_text(), "The ready versions."),
            "platform": _text(),
            "inputs": _array(ref("TensorMetadata")),
            "outputs": _array(ref("TensorMetadata")),
            "default_signature": _text("Where there are several: that of `inputs`, `outputs`."),
            "signatures": {
                "type": "object",
                "additionalProperties": ref("Signature"),
                "description": "Where there are several: all of them.",
            },
        },
        ["name", "versions", "platform", "inputs", "outputs"],
    ),
    "Signature": _object(
        {
            "method_name": _text("TensorFlow's word for what it is for."),
            "max_batch_size": _count("0 for one without a batch dimension."),
            "inputs": _array(ref("TensorMetadata")),
            "outputs": _array(ref("TensorMetadata")),
        },
        ["method_name", "max_batch_size", "inputs", "outputs"],
    ),
    "ModelConfig": _object(
        {
            "name": _text(),
            "platform": _text(),
            "backend": _text(),
            "version_policy": _object({}),
            "max_batch_size": _count("0 for a model without a batch dimension."),
            "input": _array(_object({}), "Dimensions without the batch dimension."),
            "output": _array(_object({}), "Dimensions without the batch dimension."),
            "instance_group": _array(_object({})),
            "dynamic_batching": _object({"max_queue_delay_microseconds": _count()}),
        },
        ["name", "platform", "max_batch_size", "input", "output"],
    ),
    "Duration": _object({"count": _count(), "ns": _count("In all.")}, ["count", "ns"]),
    "ModelStatistics": _object(
        {
            "name": _text(),
            "version": _text(),
            "last_inference": _count("Milliseconds since 1970."),
            "inference_count": _count("Rows inferred."),
            "execution_count": _count("Batches executed."),
            "inference_stats": {"type": "object", "additionalProperties": ref("Duration")},
            "batch_stats": _array(_object({"batch_size": _count()})),
            "response_stats": _object({}),
            "memory_usage": _array(_object({})),
        },
        ["name", "version", "inference_count", "execution_count", "inference_stats"],
    ),
    "Statistics": _object({"model_stats": _array(ref("ModelStatistics"))}, ["model_stats"]),
    "IndexRequest": _object({"ready": _flag("List only what is ready.")}),
    "Index": _array(
        _object(
            {
                "name": _text(),
                "version": _text(),
                "state": {
                    "type": "string",
                    "enum": ["UNKNOWN", "READY", "UNAVAILABLE", "LOADING", "UNLOADING"],
                },
                "reason": _text("Why it is not ready."),
            },
            ["name", "state"],
        )
    ),
    "LoadRequest": _object({"parameters": _object({"config": _text("A configuration as JSON.")})}),
    "UnloadRequest": _object({"parameters": _object({"unload_dependents": _flag("Ignored.")})}),
    "Regions": _array(_object({}), "Always empty."),
    "Settings": {"type": "object", "description": "Setting by name; all are fixed."},
}
