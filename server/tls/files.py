"""The files of a server's certificate: where they are, and what is in them once it is good."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from server.bounded_file import BoundedFileError, FileTooLargeError, read_bounded

MAX_BYTES = 2**20
"""The most that is read of a file; a chain of ten certificates has a fiftieth of it."""

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"
_ENCRYPTED = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")


class TlsFileError(Exception):
    """A file cannot be used; the text names its setting and says what is expected."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Absolute paths, each as its setting gave it; `client_ca` is "" where clients need none."""

    certificate: str
    key: str
    client_ca: str = ""


@dataclass(frozen=True, slots=True)
class Pems:
    """What was in the files; `client_ca` is b"" where clients need none."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes = b""


def read(files: TlsFiles) -> Pems:
    """All that is in `files`, looked at only as far as PEM goes. Raises TlsFileError."""
    certificate = _read("tls-certificate", files.certificate)
    if _CERTIFICATE not in certificate:
        raise TlsFileError(_not_certificates("tls-certificate", files.certificate))
    key = _read("tls-key", files.key)
    if any(mark in key for mark in _ENCRYPTED):
        raise TlsFileError(
            f"tls-key: '{files.key}' is encrypted; expected a key without a passphrase, in a file "
            "that only the server's user can read"
        )
    if _KEY not in key:
        raise TlsFileError(f"tls-key: '{files.key}' is no private key; expected one in PEM")
    if not files.client_ca:
        return Pems(certificate, key)
    client_ca = _read("tls-client-ca", files.client_ca)
    if _CERTIFICATE not in client_ca:
        raise TlsFileError(_not_certificates("tls-client-ca", files.client_ca))
    return Pems(certificate, key, client_ca)


def broken_certificates(setting: str, path: str) -> TlsFileError:
    """For what begins like a certificate in PEM and is none."""
    return TlsFileError(_not_certificates(setting, path))


def _not_certificates(setting: str, path: str) -> str:
    return f"{setting}: '{path}' holds no certificate that can be read; expected PEM"


def _read(setting: str, path: str) -> bytes:
    try:
        return read_bounded(Path(path), MAX_BYTES)
    except FileTooLargeError as error:
        raise TlsFileError(f"{setting}: {error}; expected PEM") from None
    except BoundedFileError as error:
        raise TlsFileError(f"{setting}: {error}") from None
