"""Child of test_demo_models: asks every demo model directly in its framework, prints one JSON.

A process of its own, so that no framework is imported beside the tests' protobuf modules.
Usage: python demo_answers.py REPOSITORY
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import tensorflow as tf
import torch

from server.demo import digits_data

TEXTS = [
    "There were two ducks on the frozen lake.",
    "Auf dem gefrorenen See saßen zwei Enten.",
    "Il y avait deux canards sur le lac gelé.",
    "Había dos patos sobre el lago helado.",
    "C'erano due anatre sul lago ghiacciato.",
]
ODD_TEXTS = {
    "empty": b"",
    "spaces": b" \t\n",
    "digits": b"0123456789",
    "invalid utf-8": b"\xff\xfe\x80abc\xc3",
    "nul": b"a\x00b",
    "other script": "日本語の文です。".encode(),
    "very long": b"long " * 1_000_000,
}
BATCH_SIZES = (0, 1, 3, 16)

root = Path(sys.argv[1])
data = digits_data.load()
batches = [data.test_images, *(data.test_images[:size] for size in BATCH_SIZES)]
report: dict[str, object] = {}


def record(model: str, answers: list[np.ndarray]) -> None:
    report[model] = {
        "dtypes": sorted({str(answer.dtype) for answer in answers}),
        "shapes": [list(answer.shape) for answer in answers],
        "probabilities": [answer.tolist() for answer in answers],
    }


extra = {"signature.json": ""}
script = torch.jit.load(str(root / "digits-torchscript/1/model.pt"), _extra_files=extra)
with torch.inference_mode():
    record("digits-torchscript", [script(torch.from_numpy(b)).numpy() for b in batches])
report["torchscript_signature"] = json.loads(extra["signature.json"])

session = onnxruntime.InferenceSession(
    str(root / "digits-onnx/1/model.onnx"), providers=["CPUExecutionProvider"]
)
record("digits-onnx", [session.run(None, {"image": b})[0] for b in batches])
report["onnx_signature"] = [
    [value.name, value.type, value.shape]
    for value in (*session.get_inputs(), *session.get_outputs())
]

saved = tf.saved_model.load(str(root / "digits-savedmodel/1"))
serve = saved.signatures["serving_default"]
record("digits-savedmodel", [serve(image=tf.constant(b))["probabilities"].numpy() for b in batches])
language = tf.saved_model.load(str(root / "language/1")).signatures["serving_default"]


def ask(texts: list[bytes]) -> list[list[object]]:
    answer = language(text=tf.constant(texts, tf.string, shape=[len(texts)]))
    labels = [label.decode() for label in answer["label"].numpy()]
    return [[label, float(s)] for label, s in zip(labels, answer["score"].numpy(), strict=True)]


for name, signature in (("savedmodel_signature", serve), ("language_signature", language)):
    report[name] = [
        [spec.name.split("/")[-1] if spec.name else key, spec.dtype.name, spec.shape.as_list()]
        for key, spec in (
            *signature.structured_input_signature[1].items(),
            *(
                (k, tf.TensorSpec(s.shape, s.dtype, k))
                for k, s in signature.structured_outputs.items()
            ),
        )
    ]
report["language"] = {
    "together": ask([text.encode() for text in TEXTS]),
    "alone": [ask([text.encode()])[0] for text in TEXTS],
    "odd": {name: ask([text])[0] for name, text in ODD_TEXTS.items()},
    "nothing": ask([]),
}
report["labels"] = data.test_labels.tolist()
print(json.dumps(report))
