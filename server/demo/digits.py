"""The digits classifier: a small convolutional network, trained in seconds on a CPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from server.demo.digits_data import DigitsData

EPOCHS = 30
BATCH_SIZE = 64
PEAK_LEARNING_RATE = 4e-3
SEED = 1797


class DigitsNetwork(nn.Module):
    """Two convolutions, one pooling, two dense layers: FP32 [n, 1, 8, 8] to [n, 10].

    `forward` answers probabilities, so that every export has the softmax inside; training uses
    `logits`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.dense1 = nn.Linear(32 * 4 * 4, 64)
        self.dense2 = nn.Linear(64, 10)

    def logits(self, image: Tensor) -> Tensor:
        """Scores before the softmax."""
        hidden = torch.relu(self.conv1(image))
        hidden = torch.relu(self.conv2(hidden))
        hidden = torch.flatten(torch.max_pool2d(hidden, 2), 1)
        scores: Tensor = self.dense2(torch.relu(self.dense1(hidden)))
        return scores

    def forward(self, image: Tensor) -> Tensor:
        """Probability of each digit."""
        return torch.softmax(self.logits(image), dim=1)


@dataclass(frozen=True, slots=True)
class DigitsWeights:
    """The trained weights in torch's layouts: convolutions [out, in, h, w], dense [out, in]."""

    conv1: NDArray[np.float32]
    conv1_bias: NDArray[np.float32]
    conv2: NDArray[np.float32]
    conv2_bias: NDArray[np.float32]
    dense1: NDArray[np.float32]
    dense1_bias: NDArray[np.float32]
    dense2: NDArray[np.float32]
    dense2_bias: NDArray[np.float32]


def train(data: DigitsData) -> DigitsNetwork:
    """Train with fixed seeds, without touching torch's global random state."""
    images = torch.from_numpy(data.train_images)
    labels = torch.from_numpy(data.train_labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = DigitsNetwork()
        optimizer = torch.optim.Adam(network.parameters(), lr=PEAK_LEARNING_RATE)
        steps = EPOCHS * -(-len(labels) // BATCH_SIZE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=PEAK_LEARNING_RATE, total_steps=steps
        )
        for _ in range(EPOCHS):
            for chosen in torch.split(torch.randperm(len(labels)), BATCH_SIZE):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(network.logits(images[chosen]), labels[chosen])
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
    return network.eval()


def predict(network: DigitsNetwork, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities [n, 10] from the network itself: what every export is compared with."""
    with torch.inference_mode():
        answer: NDArray[np.float32] = network(torch.from_numpy(images)).numpy()
    return answer


def weights_of(network: DigitsNetwork) -> DigitsWeights:
    """Copy the weights out of torch."""

    def array(tensor: Tensor | None) -> NDArray[np.float32]:
        assert tensor is not None  # noqa: S101 - every layer has a bias
        copy: NDArray[np.float32] = tensor.detach().numpy().copy()
        return copy

    return DigitsWeights(
        conv1=array(network.conv1.weight),
        conv1_bias=array(network.conv1.bias),
        conv2=array(network.conv2.weight),
        conv2_bias=array(network.conv2.bias),
        dense1=array(network.dense1.weight),
        dense1_bias=array(network.dense1.bias),
        dense2=array(network.dense2.weight),
        dense2_bias=array(network.dense2.bias),
    )
