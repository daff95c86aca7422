"""BYTES tensors through tritonclient: texts of every script, bytes that are no text, nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.e2e.clients.registry import ALL, HTTP, Checks

checks = Checks()

SENTENCES = {
    "en": "There were two ducks on the frozen lake.",
    "de": "Auf dem gefrorenen See saßen zwei Enten.",
    "fr": "Il y avait deux canards sur le lac gelé.",
    "es": "Había dos patos sobre el lago helado.",
    "it": "C'erano due anatre sul lago ghiacciato.",
}
TEXTS = ["", "a", "ü", "日本語", "🦆", "with\0nul", 'quote"\\', "long " * 1000]


def array(elements: list[Any], *shape: int) -> np.ndarray:
    """`elements` as an object array; numpy alone would make something else of many lists."""
    made = np.empty(len(elements), np.object_)
    made[:] = elements
    return made.reshape(shape or (len(elements),))


@checks.on()
async def the_language_of_a_sentence_is_told(t: Any) -> None:
    texts = array([text.encode() for text in SENTENCES.values()])
    result = await t.infer("language", t.input("text", texts))
    assert [label.decode() for label in result.as_numpy("label")] == list(SENTENCES)
    assert result.as_numpy("score").shape == (5,)
    assert (result.as_numpy("score") > 0.2).all()


@checks.on()
async def texts_may_be_given_as_str(t: Any) -> None:
    result = await t.infer("language", t.input("text", array(list(SENTENCES.values()))))
    assert [label.decode() for label in result.as_numpy("label")] == list(SENTENCES)


@checks.on(*HTTP)
async def json_and_binary_texts_answer_the_same(t: Any) -> None:
    texts = array(list(SENTENCES.values()))
    wanted = [t.output("label", binary=False), t.output("score", binary=False)]
    for binary in (True, False):
        text = t.input("text", texts, binary=binary)
        result = await t.infer("language", text, outputs=wanted)
        assert list(result.as_numpy("label")) == list(SENTENCES)
        assert result.get_output("label")["data"] == list(SENTENCES)


@checks.on()
async def texts_come_back_as_they_were(t: Any) -> None:
    texts = array([text.encode() for text in TEXTS], 4, 2)
    result = await t.infer("strings", t.input("x", texts))
    assert result.as_numpy("x_out").tolist() == texts.tolist()


@checks.on(*HTTP)
async def texts_come_back_through_json_as_they_were(t: Any) -> None:
    texts = array(TEXTS, 4, 2)
    wanted = [t.output("x_out", binary=False)]
    result = await t.infer("strings", t.input("x", texts, binary=False), outputs=wanted)
    assert result.as_numpy("x_out").tolist() == texts.tolist()


@checks.on()
async def bytes_that_are_no_text_come_back_as_they_were(t: Any) -> None:
    raw = array([bytes(range(256)), b"\xff\xfe", b"\x80", b""], 2, 2)
    result = await t.infer("strings", t.input("x", raw))
    assert result.as_numpy("x_out").tolist() == raw.tolist()


@checks.on(*HTTP)
async def bytes_that_are_no_text_cannot_come_as_json(t: Any) -> None:
    raw = t.input("x", array([b"\xff", b"\xfe"], 1, 2))
    wanted = [t.output("x_out", binary=False)]
    await t.refused(400, "not UTF-8", "infer", "strings", [raw], outputs=wanted)


@checks.on(*ALL)
async def no_texts_are_answered_with_none(t: Any) -> None:
    result = await t.infer("strings", t.input("x", array([], 0, 2)))
    assert result.as_numpy("x_out").shape == (0, 2)


@checks.on()
async def fixed_width_bytes_of_numpy_are_taken(t: Any) -> None:
    texts = np.array([b"ab", b"cd"])
    result = await t.infer("language", t.input("text", texts))
    assert result.as_numpy("label").shape == (2,)


@checks.on()
async def strings_cannot_be_classified(t: Any) -> None:
    text = t.input("text", array([b"a"]))
    wanted = [t.output("label", classes=1)]
    await t.refused(400, "output 'label'", "infer", "language", [text], outputs=wanted)
