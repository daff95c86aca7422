from __future__ import annotations

import json
import os

import pytest
import yaml

from server.access.file import MAX_BYTES, MAX_TOKENS, AccessFileError, read_access_file, rules_in
from server.access.rules import Holder, Right, Rules

ONE, TWO = "1" * 63 + "a", "2" * 63 + "b"


def entry(**changes: object) -> dict[str, object]:
    return {"name": "shop", "sha256": ONE, "may": ["infer"], **changes}


def test_a_file_says_who_may_do_what(tmp_path):
    path = tmp_path / "access.yaml"
    path.write_text(
        f"""
anonymous: [metrics]
tokens:
  - name: shop
    sha256: "{ONE}"
    may: [infer]
  - name: shop  # the next one, while both are in use
    sha256: "{TWO}"
    may: [infer, control]
"""
    )
    assert rules_in(read_access_file(path)) == Rules(
        frozenset({Right.METRICS}),
        {
            ONE: Holder("shop", frozenset({Right.INFER})),
            TWO: Holder("shop", frozenset({Right.INFER, Right.CONTROL})),
        },
    )


@pytest.mark.parametrize("text", ["tokens: []", "anonymous: []", "{}"])
def test_a_file_may_let_nobody_in(tmp_path, text):
    path = tmp_path / "access.yaml"
    path.write_text(text)
    assert rules_in(read_access_file(path)) == Rules()


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "expected `tokens:`"),
        (None, "expected `tokens:`"),
        ({"token": []}, "'token': expected nothing but anonymous, tokens"),
        ({"tokens": {}}, "tokens: expected a list"),
        ({"tokens": ["x"]}, r"tokens\[0\]: expected name, sha256 and may"),
        ({"tokens": [entry(), entry(sha256=TWO, may=None)]}, r"tokens\[1\]\.may: expected a list"),
        ({"tokens": [entry(may=["root"])]}, "expected a list of infer, control, metrics, operate"),
        ({"tokens": [entry(may=[["infer"]])]}, "expected a list of infer"),
        ({"tokens": [entry(may="infer")]}, "expected a list of infer"),
        ({"anonymous": ["all"]}, "anonymous: expected a list"),
        ({"tokens": [entry(name="")]}, r"tokens\[0\]\.name: expected 1 to 64"),
        ({"tokens": [entry(name="a\nb")]}, r"\.name: expected"),
        ({"tokens": [entry(sha256="uw_secret")]}, "not the token itself"),
        ({"tokens": [entry(sha256=ONE.upper())]}, "digits 0-9 and a-f"),
        ({"tokens": [entry(sha256=int("1" * 64))]}, "in quotes"),
        ({"tokens": [entry(), entry(name="other")]}, "'shop' has the same token"),
        ({"tokens": [entry(expires="2027-01-01")]}, "'expires': expected nothing but name"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path, document, reason):
    path = tmp_path / "access.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(AccessFileError, match=reason):
        rules_in(read_access_file(path))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"tokens: &all []", "not plain YAML: line 1: anchors"),
        (b"\xff", "expected UTF-8"),
        (b"", "expected `tokens:`"),
    ],
)
def test_what_is_not_yaml_or_not_text_is_refused(content, reason):
    with pytest.raises(AccessFileError, match=reason):
        rules_in(content)


def test_a_file_that_is_not_there_none_or_endless_is_refused(tmp_path):
    path = tmp_path / "access.yaml"
    with pytest.raises(AccessFileError, match="cannot be read: No such file"):
        read_access_file(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(AccessFileError, match="over"):
        read_access_file(path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(AccessFileError, match="is no file"):
        read_access_file(pipe)
    with pytest.raises(AccessFileError, match="Is a directory"):
        read_access_file(tmp_path)


def test_as_many_tokens_as_promised_are_read_and_not_one_more():
    def file(count: int) -> bytes:
        tokens = [entry(sha256=f"{number:064x}") for number in range(count)]
        return json.dumps({"tokens": tokens}).encode()

    assert len(rules_in(file(MAX_TOKENS)).holders) == MAX_TOKENS
    with pytest.raises(AccessFileError, match="a list of at most 1000"):
        rules_in(file(MAX_TOKENS + 1))
