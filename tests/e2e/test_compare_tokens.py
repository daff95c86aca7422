"""A comparison of a server that wants a token, and what is said where that is not the right one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loadtests.compare.ask import ask, samples_for, signature_at
from loadtests.compare.places import Place
from loadtests.compare.refused import RefusedError
from loadtests.compare.spec import Candidate
from loadtests.wire.token import Token
from tests.e2e.test_compare import finished
from tests.e2e.test_compare_refusals import said
from tests.harness.echo_repository import add_echo
from tests.harness.server_process import ServerProcess, serving
from tests.harness.tokens import GUESS, TOKENS, write_access

pytestmark = pytest.mark.slow

PROTOCOLS = ("rest", "grpc")
REFUSALS = [
    ("", "the server wants a token", ("401", "UNAUTHENTICATED")),
    (GUESS, "does not take the token", ("401", "UNAUTHENTICATED")),
    (TOKENS["metrics"], "does not allow this with the token", ("403", "PERMISSION_DENIED")),
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("guarded")
    add_echo(folder / "models", "echo")
    flags = ("--access-file", str(write_access(folder / "access.yaml")), "--frontends", "1")
    with serving(folder / "models", arguments=flags) as server:
        yield server


def candidate(server: ServerProcess, protocol: str, **fields: str) -> dict:
    url = server.url if protocol == "rest" else server.grpc_address
    return {
        "name": protocol, "model": "echo", "protocol": protocol, "url": url, "rest": server.url,
        **fields,
    }  # fmt: skip


def place(server: ServerProcess, protocol: str, token: str) -> Place:
    made = Candidate(**candidate(server, protocol))
    return Place(made, protocol, made.url, "echo", made.rest, 0, {}, token=Token(token))


def test_what_wants_a_token_is_measured_with_it_and_nothing_has_it_afterwards(guarded, tmp_path):
    (tmp_path / "secret").write_text(f"{TOKENS['infer']}\n")
    made = [candidate(guarded, protocol, token_file="secret") for protocol in PROTOCOLS]
    spec = {
        "rounds": 1, "seconds": 0.3, "warm_up_seconds": 0.2, "rates": [40], "saturation": False,
        "allow_differences": ["protocol"], "candidates": made,
    }  # fmt: skip

    result, output = finished(tmp_path, spec)

    for one in result.candidates:
        assert one.ranked, one.why_not
        assert one.requests.measured > 0
        assert one.requests.counted >= one.requests.sent
        assert result.point(one.name, 40.0).stages_ms["queue"] >= 0
    assert {cell.failed for cell in result.cells} == {0}
    assert not any("statistics" in note for note in result.notes)
    for text in (output, *(path.read_text() for path in (tmp_path / "out").iterdir())):
        assert TOKENS["infer"] not in text


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("token", "words", "codes"), REFUSALS)
def test_who_is_refused_is_told_what_to_do(guarded, protocol, token, words, codes):
    good, refused = (place(guarded, protocol, shown) for shown in (TOKENS["infer"], token))
    signature = signature_at(good)
    samples = samples_for(signature, 1)
    code = codes[PROTOCOLS.index(protocol)]

    with pytest.raises(RefusedError, match=rf"{words} \({code}\).*token_file"):
        ask(refused, samples, signature)
    with pytest.raises(RefusedError, match=rf"{words} \({codes[0]}\)"):
        signature_at(refused)


def test_one_that_is_refused_ends_the_comparison_before_anything_is_measured(guarded, tmp_path):
    (tmp_path / "secret").write_text(TOKENS["infer"])
    made = [candidate(guarded, "rest", token_file="secret"), candidate(guarded, "grpc")]

    log = said(tmp_path, {"allow_differences": ["protocol"], "candidates": made})

    assert "candidate 'grpc': the server wants a token (UNAUTHENTICATED): say token_file" in log
    assert "warming up" not in log
    assert not (tmp_path / "out").exists()
