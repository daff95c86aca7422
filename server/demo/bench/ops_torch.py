"""The architectures in plain PyTorch, traced into a frozen TorchScript file."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from server.demo.bench import weights
from server.demo.bench.architecture import Architecture, Port, Question
from server.demo.bench.ops import LAYER_NORM_EPSILON, MASKED, NORM_EPSILON
from server.demo.bench.weights import Array
from server.demo.export_torchscript import SIGNATURE_FILE

_Make = Callable[[], Sequence[Array]]


class Network(nn.Module):
    """`Ops` and a module at once: its weights are made when they are first used."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self._architecture = architecture

    def forward(self, *inputs: Tensor) -> Tensor:
        """The output, from the inputs in their order."""
        names = (port.name for port in self._architecture.inputs)
        answer: Tensor = self._architecture.answer(self, dict(zip(names, inputs, strict=True)))
        return answer

    def conv(self, x: Tensor, name: str, sizes: tuple[int, int, int], stride: int) -> Tensor:
        into, out, size = sizes
        (kernel,) = self._kept(f"{name}.conv", lambda: (weights.kernel(name, out, into, size),))
        return functional.conv2d(x, kernel, stride=stride, padding=size // 2)

    def batch_norm(self, x: Tensor, name: str, channels: int, gain: float) -> Tensor:
        scale, shift, mean, variance = self._kept(
            f"{name}.norm", lambda: weights.statistics(name, channels, gain)
        )
        return functional.batch_norm(x, mean, variance, scale, shift, eps=NORM_EPSILON)

    def relu(self, x: Tensor) -> Tensor:
        return torch.relu(x)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y

    def max_pool(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(x, 3, 2, 1)

    def image_mean(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))

    def dense(self, x: Tensor, name: str, size_in: int, size_out: int) -> Tensor:
        kernel, bias = self._kept(name, lambda: weights.dense(name, size_in, size_out))
        return functional.linear(x, kernel.T, bias)

    def embedding(self, ids: Tensor, name: str, count: int, size: int) -> Tensor:
        (table,) = self._kept(name, lambda: (weights.table(name, count, size),))
        return functional.embedding(ids, table)

    def positions(self, x: Tensor, name: str, length: int, size: int) -> Tensor:
        (table,) = self._kept(name, lambda: (weights.table(name, length, size),))
        return x + table

    def layer_norm(self, x: Tensor, name: str, size: int) -> Tensor:
        scale, shift = self._kept(name, lambda: weights.layer_norm(name, size))
        return functional.layer_norm(x, (size,), scale, shift, LAYER_NORM_EPSILON)

    def gelu(self, x: Tensor) -> Tensor:
        return functional.gelu(x)

    def tanh(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def heads(self, x: Tensor, length: int, heads: int, size: int) -> Tensor:
        return x.reshape(-1, length, heads, size).transpose(1, 2)

    def mask_bias(self, mask: Tensor, length: int) -> Tensor:
        return ((1 - mask) * MASKED).float().reshape(-1, 1, 1, length)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor, scale: float) -> Tensor:
        scores = torch.matmul(q, k.transpose(2, 3)) * scale + bias
        return torch.matmul(torch.softmax(scores, -1), v)

    def join(self, x: Tensor, length: int, size: int) -> Tensor:
        return x.transpose(1, 2).reshape(-1, length, size)

    def first(self, x: Tensor) -> Tensor:
        return x[:, 0]

    def _kept(self, name: str, make: _Make) -> list[Tensor]:
        key = name.replace(".", "_")  # a buffer's name may hold no dots
        if not hasattr(self, f"{key}__0"):
            for number, array in enumerate(make()):
                self.register_buffer(f"{key}__{number}", torch.from_numpy(array))
        return [buffer for part, buffer in self._buffers.items() if part.startswith(f"{key}__")]  # type: ignore[misc]


def export(architecture: Architecture, version_folder: Path) -> None:
    """Write `model.pt`."""
    example = _tensors(architecture, architecture.question(1))
    network = Network(architecture).eval()
    signature = {
        "inputs": [_port(port) for port in architecture.inputs],
        "outputs": [_port(architecture.output)],
    }
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        # torch announces the end of TorchScript on every call; the format is what we serve here.
        warnings.simplefilter("ignore", DeprecationWarning)
        network(*example)
        traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(
            torch.jit.freeze(traced),
            str(version_folder / "model.pt"),
            _extra_files={SIGNATURE_FILE: json.dumps(signature)},
        )


def predict(
    architecture: Architecture, version_folder: Path, questions: Sequence[Question]
) -> list[NDArray[np.float32]]:
    """Load what was written and run it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = torch.jit.load(str(version_folder / "model.pt"))  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        return [model(*_tensors(architecture, question)).numpy() for question in questions]


def _tensors(architecture: Architecture, question: Question) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(question[port.name]) for port in architecture.inputs)


def _port(port: Port) -> dict[str, object]:
    return {"name": port.name, "datatype": port.datatype, "shape": port.shape}
