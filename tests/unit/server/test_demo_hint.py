"""The lines printed by `underway demo --serve` are complete and can be pasted as they are."""

from __future__ import annotations

import json
import re
import shlex

from server.demo.manifest import MARKER
from server.demo_hint import MANIFEST, hint, print_hint

URL = "http://127.0.0.1:8000"
IMAGE = [0.0, 0.3125, 1 / 3, *[0.0] * 61]


def test_the_curl_line_is_one_shell_command_with_a_valid_request():
    (line,) = [line for line in hint(IMAGE, 7, URL).splitlines() if line.startswith("curl")]

    curl, quiet, address, flag, body = shlex.split(line)

    assert (curl, quiet, flag) == ("curl", "-s", "-d")
    assert address == f"{URL}/v2/models/digits-onnx/infer"
    request = json.loads(body)
    (image,) = request["inputs"]
    assert image["shape"] == [1, 1, 8, 8]
    assert image["data"][:3] == [0.0, 0.3125, 0.3333]
    assert len(image["data"]) == 64


def test_the_python_snippet_is_valid_python_and_asks_every_demo_model():
    text = hint(IMAGE, 7, URL)
    snippet = re.search(r"<<'END'\n(.*?)\nEND\n", text, re.DOTALL)

    assert snippet is not None
    compile(snippet[1], "hint", "exec")
    assert f'"{URL}/v2/models/"' in snippet[1]
    for word in ("torchscript", "savedmodel", "onnx", "language"):
        assert word in snippet[1]


def test_it_says_what_the_digit_is():
    assert "what this handwritten digit is (7)" in hint(IMAGE, 7, URL)


def test_it_is_printed_for_the_sample_that_the_builder_left(tmp_path, capsys):
    sample = {"image": IMAGE, "label": 3}
    (tmp_path / MARKER).write_text(json.dumps({"samples": {"digits": sample}}))

    print_hint(tmp_path, "127.0.0.1", 8000)

    assert capsys.readouterr().out == hint(IMAGE, 3, URL) + "\n"


def test_builder_and_hint_mean_the_same_file():
    assert MANIFEST == MARKER
