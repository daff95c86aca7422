"""Certificates of tests: an authority of their own, and files as Kubernetes mounts a Secret."""

from __future__ import annotations

import itertools
import shutil
import socket
import ssl
from pathlib import Path

import trustme

NAME = "localhost"


class Secret:
    """A folder with `tls.crt`, `tls.key` and `ca.crt`, all changed in one step.

    As Kubernetes does it: each is a symbolic link to `..data/NAME`, and `..data` is one to a folder
    that another takes the place of.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self.client_ca = folder / "ca.crt"
        self._numbers = itertools.count()
        folder.mkdir()
        self.put(b"", b"")
        for path in (self.certificate, self.key, self.client_ca):
            path.symlink_to(Path("..data") / path.name)

    @property
    def flags(self) -> tuple[str, ...]:
        """Those of a server with this certificate."""
        return ("--tls-certificate", str(self.certificate), "--tls-key", str(self.key))

    def put(self, certificate: bytes, key: bytes, client_ca: bytes = b"") -> None:
        """Change all files at once."""
        version = self.folder / f"..{next(self._numbers)}"
        version.mkdir()
        (version / "tls.crt").write_bytes(certificate)
        (version / "tls.key").write_bytes(key)
        (version / "tls.key").chmod(0o600)
        (version / "ca.crt").write_bytes(client_ca)
        aside, data = self.folder / "..data_tmp", self.folder / "..data"
        before = data.resolve() if data.is_symlink() else None
        aside.symlink_to(version.name)
        aside.rename(data)
        if before is not None:
            shutil.rmtree(before)

    def overwrite(self, certificate: bytes, key: bytes, client_ca: bytes = b"") -> None:
        """Change one file after the other where they are, as a careless script would."""
        self.key.write_bytes(key)
        self.certificate.write_bytes(certificate)
        self.client_ca.write_bytes(client_ca)

    def issue(
        self,
        authority: trustme.CA,
        client_ca: trustme.CA | None = None,
        *,
        in_place: bool = False,
    ) -> bytes:
        """Put a new certificate of `authority` there; it, as DER."""
        issued = authority.issue_cert(NAME, "127.0.0.1")
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        ca = client_ca.cert_pem.bytes() if client_ca else b""
        write = self.overwrite if in_place else self.put
        write(chain, issued.private_key_pem.bytes(), ca)
        return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


def trusting(authority: trustme.CA, own: trustme.CA | None = None) -> ssl.SSLContext:
    """What a client says TLS with that trusts `authority`; with a certificate made by `own`."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if own is not None:
        own.issue_cert("client").configure_cert(context)
    return context


def shown(address: tuple[str, int], context: ssl.SSLContext) -> bytes:
    """The certificate that a new connection to `address` gets, as DER."""
    with (
        socket.create_connection(address, timeout=10) as sock,
        context.wrap_socket(sock, server_hostname=NAME) as tls,
    ):
        der = tls.getpeercert(binary_form=True)
        assert der is not None
        return der
