"""A candidate's token is read before anything starts, and refused without being repeated."""

from __future__ import annotations

import os

import pytest
import yaml

from loadtests.compare.places import places
from loadtests.compare.spec import parse_spec
from loadtests.compare.token_file import MAX_BYTES
from loadtests.compare.underway import ServerError

SECRET = "uw_a_secret"


OWN = {"name": "own", "model": "nothing"}
FAR = {"name": "far", "model": "m", "url": "http://127.0.0.1:9", "token_file": "token"}


def token_of(folder) -> str:
    """What a candidate is shown of `folder/token`."""
    made = parse_spec(yaml.safe_dump({"candidates": [FAR]}))
    with places(made, folder, folder) as (far,):
        assert SECRET not in repr(far)
        return far.token.text


def refusal(folder) -> str:
    """It comes before that of the other candidate, which can't be started."""
    made = parse_spec(yaml.safe_dump({"candidates": [OWN, FAR]}))
    with pytest.raises(ServerError) as error, places(made, folder, folder):
        pass
    text = str(error.value)
    assert text.startswith("candidate 'far': token_file: expected a file with a token")
    assert SECRET not in text
    return text


@pytest.mark.parametrize("content", [SECRET, f"{SECRET}\n", f"\r\n  {SECRET}\t\r\n", "a"])
def test_space_around_a_token_is_dropped(tmp_path, content):
    (tmp_path / "token").write_text(content)

    assert token_of(tmp_path) == content.strip()


def test_a_long_token_is_one(tmp_path):
    (tmp_path / "token").write_text("e" * MAX_BYTES)

    assert token_of(tmp_path) == "e" * MAX_BYTES


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (f"{SECRET} {SECRET}".encode(), "holds something else"),
        (f"{SECRET}\r\nhost: other".encode(), "holds something else"),
        (f"{SECRET}ü".encode(), "holds something else"),
        (f"Bearer {SECRET}".encode(), "holds something else"),
        (SECRET.encode() + b"\0", "holds something else"),
        (SECRET.encode() * MAX_BYTES, f"is over {MAX_BYTES} bytes"),
    ],
)
def test_what_is_no_token_is_refused_and_not_repeated(tmp_path, content, said):
    (tmp_path / "token").write_bytes(content)

    assert said in refusal(tmp_path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    assert "No such file" in refusal(tmp_path)
    os.mkfifo(tmp_path / "token")
    assert "is no file" in refusal(tmp_path)
    (tmp_path / "token").unlink()
    (tmp_path / "token").mkdir()
    assert "Is a directory" in refusal(tmp_path)
