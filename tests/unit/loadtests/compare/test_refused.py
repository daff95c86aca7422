"""Whoever is refused is told what to write; other errors are not taken for a refusal."""

from __future__ import annotations

import grpc
import pytest
import requests

from loadtests.compare.places import Place
from loadtests.compare.refused import RefusedError, check_answer, check_error
from loadtests.compare.spec import Candidate
from loadtests.wire.token import Token

TOKEN = Token("uw_a_secret")
OF_TORCHSERVE = b'{"code": 400, "type": "InvalidKeyException", "message": "..."}'


def place(token: Token, protocol: str = "rest") -> Place:
    candidate = Candidate(name="x", model="m", url="http://h:1")
    return Place(candidate, protocol, "http://h:1", "m", "", 0, {}, token=token)


def answer(status: int, shown: Token, body: bytes = b"") -> requests.Response:
    found = requests.Response()
    found.status_code, found._content = status, body
    found.request = requests.Request("GET", "http://h:1", auth=shown.auth).prepare()
    return found


class Failure(grpc.RpcError):
    """As gRPC raises it."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self.code = lambda: code


@pytest.mark.parametrize(
    ("code", "by_grpc", "token", "said"),
    [
        (401, "UNAUTHENTICATED", Token(), "the server wants a token ({}): say token_file"),
        (403, "PERMISSION_DENIED", Token(), "the server wants a token ({}): say token_file"),
        (401, "UNAUTHENTICATED", TOKEN, "does not take the token ({}): put one into token_file"),
        (403, "PERMISSION_DENIED", TOKEN, "not allow this with the token ({}): put one into"),
    ],
)
def test_a_refusal_says_what_to_do(code, by_grpc, token, said):
    with pytest.raises(RefusedError) as over_http:
        check_answer(place(token), answer(code, token))
    with pytest.raises(RefusedError) as over_grpc:
        check_error(place(token, "grpc"), Failure(grpc.StatusCode[by_grpc]))

    for error, shown in ((over_http, str(code)), (over_grpc, by_grpc)):
        assert str(error.value).startswith("candidate 'x': ")
        assert said.format(shown) in str(error.value)
        assert TOKEN.text not in str(error.value)


def test_who_is_sent_elsewhere_is_told_so():
    sent_on = answer(307, TOKEN)
    sent_on.headers["location"] = "http://elsewhere:1/"
    with pytest.raises(RefusedError, match=r"to another place \(307\): say where that is instead"):
        check_answer(place(TOKEN), sent_on)


def test_torchserve_refuses_in_words_of_its_own():
    with pytest.raises(RefusedError, match=r"\(400 InvalidKeyException\): say token_file"):
        check_answer(place(Token(), "torchserve"), answer(400, Token(), OF_TORCHSERVE))

    check_answer(place(Token(), "torchserve"), answer(400, Token(), b'{"code": 400}'))
    check_answer(place(Token()), answer(400, Token(), OF_TORCHSERVE))


@pytest.mark.parametrize("status", [200, 400, 404, 407, 500])
def test_other_answers_are_no_refusal(status):
    check_answer(place(TOKEN), answer(status, TOKEN))
    check_error(place(TOKEN, "grpc"), Failure(grpc.StatusCode.UNAVAILABLE))
    check_error(place(TOKEN), requests.ConnectionError())
