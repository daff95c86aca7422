"""Which clients a context lets in that asks them for a certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from server.tls.certificates import load
from server.tls.files import TlsFiles
from tests.harness.tls import NAME, Secret, trusting


@pytest.fixture(scope="module")
def root() -> trustme.CA:
    return trustme.CA()


def greet(files: TlsFiles, client: ssl.SSLContext) -> None:
    """A handshake and a byte each way, which in TLS 1.3 is what tells that both are content."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = load(files).clients
    ends = [
        context.wrap_bio(there, back, server_side=True),
        client.wrap_bio(back, there, server_hostname=NAME),
    ]
    ends[0].outgoing = back
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    ends[1].write(b"a")
    assert ends[0].read(1) == b"a"


def test_an_authority_counts_also_where_its_own_issuer_is_not_named(tmp_path, root):
    named, secret = root.create_child_ca(), Secret(tmp_path / "tls")
    secret.issue(root, named)
    files = TlsFiles(*map(str, (secret.certificate, secret.key, secret.client_ca)))

    greet(files, trusting(root, named))
    for other in (root, trustme.CA(), None):
        with pytest.raises(ssl.SSLError):
            greet(files, trusting(root, other))
    assert Path(files.client_ca).read_bytes() == named.cert_pem.bytes()
