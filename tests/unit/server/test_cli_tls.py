"""Commands that ask over https:// say what is wrong with the files they are given, or with TLS."""

from __future__ import annotations

import ssl

import pytest
import trustme
from click.testing import CliRunner

from server.cli import main
from server.cli_tls import refused_by_tls


def models(*flags: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["models", "--url", "https://127.0.0.1:9", *flags])
    return done.exit_code, done.output


@pytest.fixture
def file(tmp_path):
    def write(content: bytes) -> str:
        path = tmp_path / "a.pem"
        path.write_bytes(content)
        return str(path)

    return write


def test_an_authority_that_is_not_there_or_none_is_named(file):
    absent = ("--ca-file", "/nowhere/ca.pem")

    assert models(*absent)[0] == 2
    assert "'/nowhere/ca.pem' or its key cannot be read: No such file" in models(*absent)[1]
    assert "cannot be used: NO_CERTIFICATE_OR_CRL_FOUND" in models("--ca-file", file(b"x"))[1]


def test_a_certificate_without_its_key_is_named(file):
    own = trustme.CA().issue_cert("client")
    path = file(own.cert_chain_pems[0].bytes())

    code, said = models("--client-certificate", path)

    assert code == 2
    assert f"--client-certificate: '{path}' cannot be used" in said
    assert "--client-key: only with --client-certificate" in models("--client-key", path)[1]


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("https://a", ssl.SSLError(1, "wrong version number"), "Does it speak TLS?"),
        ("https://a", ConnectionResetError(104, "reset"), "--client-certificate"),
        ("http://a", ConnectionResetError(104, "reset"), ""),
        ("https://a", ConnectionRefusedError(111, "refused"), ""),
        ("https://a", "not an error", ""),
    ],
)
def test_what_came_of_tls_is_told_and_other_things_are_left_to_others(url, error, words):
    said = refused_by_tls(url, error)

    assert bool(said) is bool(words)
    assert words in said
