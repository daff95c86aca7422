"""The same tensors give the same answers by every protocol as the framework called directly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from server.demo import digits_data
from tests.e2e.clients.questions import SIZES, pack
from tests.harness.server_process import CLIENT_PYTHON, ROOT, run_client

HERE = Path(__file__).parent
DIGITS = ("digits-torchscript", "digits-savedmodel", "digits-onnx")
ROUTES = ("json", "binary", "grpc")
TOLERANCE = 1e-6
TEXTS = [
    "There were two ducks on the frozen lake.",
    "Auf dem gefrorenen See saßen zwei Enten.",
    "Il y avait deux canards sur le lac gelé.",
    "Había dos patos sobre el lago helado.",
    "C'erano due anatre sul lago ghiacciato.",
    "日本語の文です。",
    "🦆🦆",
    "e\u0301 is not é",
    "a\0b",
    "",
    "long " * 1000,
]

pytestmark = pytest.mark.skipif(
    not CLIENT_PYTHON.exists(), reason="the clients' environment is missing; make test sets it up"
)


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    """All test images of the digits, and the texts, in a file."""
    path = tmp_path_factory.mktemp("questions") / "questions.npz"
    texts = [text.encode() for text in TEXTS]
    np.savez(path, images=digits_data.load().test_images, **pack(texts))
    return path


@pytest.fixture(scope="module")
def direct(demo_repository, questions):
    """What the frameworks say."""
    answers = questions.with_name("direct.npz")
    child = subprocess.run(
        [sys.executable, str(HERE / "framework_answers.py"), demo_repository, questions, answers],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    return np.load(answers)


@pytest.fixture(scope="module")
def served(demo_server, questions):
    """What the server says, by every route."""
    answers = questions.with_name("served.npz")
    rest = demo_server.url.removeprefix("http://")
    program = HERE / "clients/same_answers.py"
    run_client(program, rest, demo_server.grpc_address, str(questions), str(answers))
    return np.load(answers)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("model", DIGITS)
@pytest.mark.parametrize("route", ROUTES)
def test_digits_are_answered_as_the_framework_does(direct, served, route, model, size):
    expected, got = direct[f"{model}/{size}"], served[f"{route}/{model}/{size}"]
    assert got.shape == expected.shape == (len(digits_data.load().test_images), 10)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("route", ROUTES)
def test_texts_are_answered_as_the_framework_does(direct, served, route):
    assert served[f"{route}/label"].tolist() == direct["label"].tolist()
    assert direct["label"].tolist()[:5] == ["en", "de", "fr", "es", "it"]
    np.testing.assert_allclose(served[f"{route}/score"], direct["score"], rtol=0, atol=TOLERANCE)
