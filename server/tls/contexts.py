"""What servers in Python say TLS with: a context of one certificate, and one that goes with the
times.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from typing import cast

from server.tls.files import Pems, TlsFileError, TlsFiles, broken_certificates

ALPN = ("http/1.1",)


class _Connection(ssl.SSLObject):
    """One connection, which says its last word and then ends without waiting for an answer."""

    outgoing: ssl.MemoryBIO
    _refused: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """As always, but that a client which is refused is told why.

        An event loop drops what it was about to send when a handshake fails. So it is told that
        more is to be read, and learns of the failure with whatever comes then.
        """
        if self._refused is not None:
            raise self._refused
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if not self.outgoing.pending:
                raise
            self._refused = error
            raise ssl.SSLWantReadError from None

    def unwrap(self) -> None:
        """Say that nothing more comes; the client need not say the same (RFC 8446, section 6.1).

        One that never looks at an idle connection would else keep it open, and the server from
        stopping.
        """
        with contextlib.suppress(ssl.SSLWantReadError):
            super().unwrap()


class Renewed(ssl.SSLContext):
    """Hands each new connection to the context that `current` gives; has no certificate itself."""

    _current: Callable[[], ssl.SSLContext]

    @classmethod
    def by(cls, current: Callable[[], ssl.SSLContext]) -> Renewed:
        """The one that asks `current`."""
        made = cls(ssl.PROTOCOL_TLS_SERVER)
        made._current = current
        return made

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """A new connection, which keeps its certificate for as long as it lives."""
        made = self._current().wrap_bio(incoming, outgoing, server_side=server_side)
        cast(_Connection, made).outgoing = outgoing
        return made


def server_context(files: TlsFiles, pems: Pems, *, ask_clients: bool) -> ssl.SSLContext:
    """TLS 1.2 or newer with the certificate that `pems` were read from; with `ask_clients` a
    client must show one of its own. Raises TlsFileError where the parts do not fit together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # which a client could ask for without end
    context.set_alpn_protocols(list(ALPN))
    context.sslobject_class = _Connection
    _load_own(context, files, pems)
    if ask_clients:
        context.verify_mode = ssl.CERT_REQUIRED
        # Whoever is named there counts, also one whose own issuer is not, as with gRPC and Envoy.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        _trust(context, "tls-client-ca", files.client_ca, pems.client_ca)
    return context


def _load_own(context: ssl.SSLContext, files: TlsFiles, pems: Pems) -> None:
    # Only to tell whose fault it is: OpenSSL says of either file that it is no PEM.
    _trust(
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "tls-certificate", files.certificate,
        pems.certificate,
    )  # fmt: skip
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsFileError(
                f"tls-key: '{files.key}' does not fit the first certificate in "
                f"'{files.certificate}', which must be the server's own"
            ) from None
        raise TlsFileError(
            f"tls-key: '{files.key}' or the certificate it is for cannot be used "
            f"({error.reason or 'not valid PEM'}); expected an RSA or EC key in PEM"
        ) from None
    except OSError as error:
        raise TlsFileError(f"tls-key: cannot be read: {error.strerror}") from None


def _trust(context: ssl.SSLContext, setting: str, path: str, pem: bytes) -> None:
    try:
        # Between certificates there may be comments in any language; within one it is still wrong.
        text = pem.decode("ascii", "replace").replace("\N{REPLACEMENT CHARACTER}", "?")
        context.load_verify_locations(cadata=text)
    except ssl.SSLError:
        raise broken_certificates(setting, path) from None


def _no_passphrase() -> str:
    """Asked for where a key turns out to be encrypted; nobody is to be asked on a terminal."""
    raise TlsFileError("tls-key: the key is encrypted; expected one without a passphrase")
