"""Files that cannot be a certificate, its key or authorities are refused by setting and reason."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP521R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.tls.certificates import load
from server.tls.facts import facts_of
from server.tls.files import MAX_BYTES, TlsFileError, TlsFiles


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path, authority) -> TlsFiles:
    issued = authority.issue_cert("localhost")
    names = [tmp_path / name for name in ("tls.crt", "tls.key", "ca.crt")]
    names[0].write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    names[1].write_bytes(issued.private_key_pem.bytes())
    names[2].write_bytes(authority.cert_pem.bytes())
    return TlsFiles(*map(str, names))


def encrypted(pem: bytes, form: serialization.PrivateFormat) -> bytes:
    key = serialization.load_pem_private_key(pem, None)
    secret = serialization.BestAvailableEncryption(b"secret")
    return key.private_bytes(serialization.Encoding.PEM, form, secret)


def test_what_fits_together_is_taken_as_it_is(files):
    pems = load(files).pems

    assert pems.certificate == Path(files.certificate).read_bytes()
    assert pems.key == Path(files.key).read_bytes()
    assert pems.client_ca == Path(files.client_ca).read_bytes()


@pytest.mark.parametrize("setting", ["certificate", "key", "client_ca"])
def test_a_file_that_is_not_there_is_named(files, setting):
    path = Path(getattr(files, setting))
    path.unlink()

    with pytest.raises(TlsFileError) as refusal:
        load(files)

    name = setting.replace("_", "-")
    assert str(refusal.value) == f"tls-{name}: '{path}' cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("setting", "content", "reason"),
    [
        ("certificate", b"", "holds no certificate that can be read; expected PEM"),
        ("certificate", b"\x30\x82\x01\x00", "holds no certificate that can be read; expected PEM"),
        (
            "certificate",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "holds no certificate that can be read; expected PEM",
        ),
        ("certificate", b"-----BEGIN CERTIFICATE-----\nMIIB", "expected PEM"),
        ("certificate", bytes(MAX_BYTES + 1), f"is over {MAX_BYTES} bytes; expected PEM"),
        ("key", b"", "is no private key; expected one in PEM"),
        ("key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "expected"),
        ("client_ca", b"nothing", "holds no certificate that can be read; expected PEM"),
        (
            "client_ca",
            b"-----BEGIN CERTIFICATE-----\n\xff\n-----END CERTIFICATE-----\n",
            "holds no certificate that can be read; expected PEM",
        ),
    ],
)
def test_a_file_with_something_else_is_named(files, setting, content, reason):
    Path(getattr(files, setting)).write_bytes(content)

    with pytest.raises(TlsFileError) as refusal:
        load(files)

    said = str(refusal.value)
    assert said.startswith(f"tls-{setting.replace('_', '-')}: '{getattr(files, setting)}'")
    assert reason in said


def test_a_certificate_cut_off_within_is_refused(files):
    path = Path(files.certificate)
    path.write_bytes(path.read_bytes()[:300])

    with pytest.raises(TlsFileError, match=r"tls-certificate: .* expected PEM"):
        load(files)


def test_a_key_of_another_certificate_is_refused(files, authority):
    Path(files.key).write_bytes(authority.issue_cert("localhost").private_key_pem.bytes())

    with pytest.raises(TlsFileError, match=r"tls-key: .* does not fit the first certificate"):
        load(files)


@pytest.mark.parametrize(
    "form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
)
def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_passphrase(files, form):
    path = Path(files.key)
    path.write_bytes(encrypted(path.read_bytes(), form))

    with pytest.raises(TlsFileError, match=r"tls-key: .* is encrypted; expected a key without"):
        load(files)


def test_comments_in_any_language_are_no_matter(files):
    path = Path(files.certificate)
    path.write_bytes("# Autorità\n".encode() + path.read_bytes())

    assert load(files)


def test_the_key_is_not_in_what_is_shown_of_it(files):
    assert b"PRIVATE" in load(files).pems.key
    assert "PRIVATE" not in repr(load(files))


def test_names_of_an_odd_kind_are_left_out_and_no_surprise():
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    # GeneralName [3] x400Address, empty (RFC 5280, 4.2.1.6), which nobody reads.
    odd = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, bytes.fromhex("3002a300"))
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now)
    signed = builder.add_extension(odd, critical=False).sign(key, hashes.SHA256())

    assert facts_of(signed.public_bytes(serialization.Encoding.PEM)).names == ()


@pytest.mark.parametrize("kind", ["ed25519", "p521"])
def test_a_key_that_grpc_cannot_use_is_refused(files, kind):
    key = Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(SECP521R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now)
    signed = builder.sign(key, None if kind == "ed25519" else hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    Path(files.certificate).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    Path(files.key).write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))

    with pytest.raises(TlsFileError, match=r"tls-certificate: .* expected RSA, or EC on the curve"):
        load(files)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="it takes openssl to make such a key")
def test_an_rsa_key_for_one_use_alone_is_refused_as_grpc_cannot_use_it(files):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048",
         "-nodes", "-subj", "/CN=localhost", "-keyout", files.key, "-out", files.certificate],
        check=True, capture_output=True,
    )  # fmt: skip

    with pytest.raises(TlsFileError, match=r"tls-certificate: .* expected RSA, or EC on the curve"):
        load(files)


def test_a_pipe_is_no_file_and_nobody_waits_for_it(files, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TlsFileError, match=r"tls-key: .* is no file"):
        load(TlsFiles(files.certificate, str(tmp_path / "pipe")))


def test_a_folder_is_no_file(files, tmp_path):
    with pytest.raises(TlsFileError, match=r"tls-key: .* cannot be read: Is a directory"):
        load(TlsFiles(files.certificate, str(tmp_path)))
