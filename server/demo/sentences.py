"""The sentences that the language model learns from, split into training and held-out ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from sklearn.model_selection import train_test_split

from server.demo.errors import DemoError

SENTENCES_FILE = Path(__file__).with_name("sentences.yaml")
HELD_OUT_SHARE = 0.25
SPLIT_SEED = 8


@dataclass(frozen=True, slots=True)
class Sentences:
    """`labels` in a fixed order; every class is an index into it."""

    labels: tuple[str, ...]
    train_texts: list[str]
    train_classes: list[int]
    held_out_texts: list[str]
    held_out_classes: list[int]


def load() -> Sentences:
    """Read the sentences and set a quarter of each language aside."""
    by_label = _read()
    labels = tuple(sorted(by_label))
    pairs = [(text, index) for index, label in enumerate(labels) for text in by_label[label]]
    texts = [text for text, _ in pairs]
    classes = [index for _, index in pairs]
    train_texts, held_out_texts, train_classes, held_out_classes = train_test_split(
        texts, classes, test_size=HELD_OUT_SHARE, random_state=SPLIT_SEED, stratify=classes
    )
    return Sentences(labels, train_texts, train_classes, held_out_texts, held_out_classes)


def _read() -> dict[str, list[str]]:
    with SENTENCES_FILE.open(encoding="utf-8") as file:
        blocks: dict[str, str] = yaml.safe_load(file)
    by_label = {label: block.split("\n")[:-1] for label, block in blocks.items()}
    for label, texts in by_label.items():
        # A sentence standing twice could be trained on and held out at once.
        if not all(texts) or len(set(texts)) != len(texts):
            raise DemoError(f"{SENTENCES_FILE.name}: a sentence of {label!r} is empty or repeated")
    return by_label
