"""Which models there are: at their full size, or so small that all is built in seconds."""

from __future__ import annotations

from server.demo.bench.architecture import Architecture
from server.demo.bench.bert import Bert
from server.demo.bench.resnet import ResNet

FORMATS = ("torchscript", "savedmodel", "onnx")

SCALES: dict[str, tuple[Architecture, ...]] = {
    "full": (
        ResNet("resnet50", blocks=(3, 4, 6, 3), width=64, side=224, classes=1000),
        Bert("bert-base", layers=12, size=768, heads=12, inner=3072, vocabulary=30522, length=128),
    ),
    "tiny": (
        ResNet("resnet-tiny", blocks=(1, 2), width=8, side=32, classes=10),
        Bert("bert-tiny", layers=2, size=32, heads=2, inner=64, vocabulary=128, length=16),
    ),
}


def model_name(architecture: Architecture, kind: str) -> str:
    """Of the model of that format."""
    return f"{architecture.name}-{kind}"
