"""The sentences are split honestly."""

import pytest

from server.demo import sentences
from server.demo.errors import DemoError


def test_no_held_out_sentence_is_trained_on():
    data = sentences.load()
    assert not set(data.train_texts) & set(data.held_out_texts)


def test_every_language_is_held_out_in_equal_measure():
    data = sentences.load()
    assert data.labels == ("de", "en", "es", "fr", "it")
    counts = {data.held_out_classes.count(index) for index in range(len(data.labels))}
    assert len(counts) == 1
    assert counts.pop() >= 16


@pytest.mark.parametrize("block", ["Twice.\\n  Twice.", "Once.\\n\\n  More."])
def test_an_empty_or_repeated_sentence_is_an_error(tmp_path, monkeypatch, block):
    file = tmp_path / "sentences.yaml"
    file.write_text("xx: |\n  " + block.replace("\\n", "\n") + "\n")
    monkeypatch.setattr(sentences, "SENTENCES_FILE", file)
    with pytest.raises(DemoError, match="'xx' is empty or repeated"):
        sentences.load()
