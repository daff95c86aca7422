"""What `underway demo --serve` prints once the demo models answer: lines to try, ready to paste."""

from __future__ import annotations

import json
from pathlib import Path

import click

MANIFEST = ".underway-demo.json"


def print_hint(repository: Path, host: str, port: int) -> None:
    """Print a curl line and a Python snippet that get a right answer from a real model."""
    sample = json.loads((repository / MANIFEST).read_text("utf-8"))["samples"]["digits"]
    click.echo(hint(sample["image"], sample["label"], f"http://{host}:{port}"))


def hint(image: list[float], label: int, url: str) -> str:
    """The text for one handwritten digit: 64 pixels, and what they show."""
    body = {
        "inputs": [
            {"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8],
             "data": [round(pixel, 4) for pixel in image]}
        ],
        "outputs": [{"name": "probabilities", "parameters": {"classification": 1}}],
    }  # fmt: skip
    digit = json.dumps(body, separators=(",", ":"))
    return f"""
The demo models are served. In another terminal, ask what this handwritten digit is ({label}):

curl -s {url}/v2/models/digits-onnx/infer -d '{digit}'

or from Python, asking each runtime, and a classifier that takes strings:

python3 - <<'END'
import json, urllib.request
def infer(model, request):
    data = json.dumps(request).encode()
    with urllib.request.urlopen("{url}/v2/models/" + model + "/infer", data) as answer:
        return [output["data"] for output in json.load(answer)["outputs"]]
digit = json.loads('{digit}')
for runtime in ("torchscript", "savedmodel", "onnx"):
    print(runtime, *infer("digits-" + runtime, digit))
text = {{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["Wo ist der Bahnhof?"]}}
print("language", *infer("language", {{"inputs": [text]}}))
END

The answer reads probability:digit. Ctrl-C stops the server.
"""
