"""A token is shown in one header, and in nothing that anybody reads."""

from __future__ import annotations

import pytest
import requests

from loadtests.generator.plan import Plan
from loadtests.generator.target import plan_for
from loadtests.samples.discover import DiscoveryError, discover
from loadtests.samples.sample import Sample
from loadtests.wire.http_call import HttpCall, adding
from loadtests.wire.token import VARIABLE, BadTokenError, Token, from_environment

SECRET = "uw_a_secret"
TOKEN = Token(SECRET)
SHOWN = f"Bearer {SECRET}"


def signed(token: Token, url: str = "http://127.0.0.1:1") -> str | None:
    request = requests.Request("GET", url, auth=token.auth)
    return requests.Session().prepare_request(request).headers.get("authorization")


def test_there_is_one_header_and_none_without_a_token():
    assert TOKEN.headers == {"authorization": SHOWN}
    assert Token().headers == {}
    assert signed(TOKEN) == SHOWN
    assert signed(Token()) is None


def test_a_netrc_takes_no_tokens_place(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    assert signed(TOKEN) == SHOWN
    assert signed(Token()).startswith("Basic ")


def test_what_a_server_repeats_is_hidden():
    assert TOKEN.hidden_in(f"no {SECRET}, {SECRET}") == "no (the token), (the token)"
    assert Token().hidden_in("no") == "no"


def test_a_process_shows_the_token_it_was_started_with(monkeypatch):
    for name, value in TOKEN.environment.items():
        monkeypatch.setenv(name, f" {value}\n")
    assert from_environment() == TOKEN

    for name, value in Token().environment.items():
        monkeypatch.setenv(name, value)
    assert from_environment() == Token()

    monkeypatch.delenv(VARIABLE)
    assert from_environment() == Token()


@pytest.mark.parametrize("text", ["uw_two\nlines", "two words", "uw_\N{EM DASH}", '"uw_quoted"'])
def test_what_is_no_token_is_refused_by_the_variables_name_and_not_repeated(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)

    with pytest.raises(BadTokenError, match="UNDERWAY_TOKEN holds no token") as refused:
        from_environment()

    assert text not in str(refused.value)
    with pytest.raises(DiscoveryError, match="UNDERWAY_TOKEN holds no token"):
        discover("http://127.0.0.1:9")


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_a_plan_has_the_token_but_neither_its_file_nor_its_text_do(protocol):
    plan = plan_for("h:1", protocol, "m", [Sample((), lambda _: "")], seconds=1, token=TOKEN)

    assert plan.token == TOKEN
    assert SECRET.encode() not in plan.pack()
    assert SECRET not in repr(plan)
    assert Plan.unpack(plan.pack()).token == Token()


def test_headers_are_added_to_a_whole_request():
    request = HttpCall("/p", {"a": "b"}, b"x\r\n\r\ny").raw("h:1")

    assert adding(request, TOKEN.headers) == (
        f"POST /p HTTP/1.1\r\nauthorization: {SHOWN}\r\nHost: h:1\r\na: b\r\n".encode()
        + b"Content-Length: 6\r\n\r\nx\r\n\r\ny"
    )
    assert adding(request, {}) == request
