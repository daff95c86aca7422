"""The certificate that new connections get, taken up anew when its files change.

A thread looks at the files, so that no handshake waits for one.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from server.tls.contexts import Renewed, server_context
from server.tls.files import Pems, TlsFileError, TlsFiles, broken_certificates, read

if TYPE_CHECKING:
    from server.tls.facts import CertificateFacts

log = structlog.get_logger()

HANDSHAKE_TIMEOUT = 10.0
"""Seconds that a client may take for the handshake, on every port."""

LOOK_EVERY = 1.0
"""Seconds between two looks at the files."""

SAY_AGAIN = 3600.0
"""Seconds until it is said once more that a renewal cannot be used."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One that is good: what was in the files, what it says of itself, and what servers in Python
    say TLS with.

    `clients` is for the ports of clients, `operators` for the one that probes come to, which show
    no certificate.
    """

    pems: Pems
    facts: CertificateFacts
    clients: ssl.SSLContext
    operators: ssl.SSLContext


def load(files: TlsFiles) -> Certificate:
    """What is in `files` now. Raises TlsFileError where it cannot be used."""
    from server.tls.facts import facts_of  # a large library, for who has a certificate

    pems = read(files)
    clients = server_context(files, pems, ask_clients=bool(files.client_ca))
    operators = server_context(files, pems, ask_clients=False)
    try:
        facts = facts_of(pems.certificate)
    except ValueError:
        raise broken_certificates("tls-certificate", files.certificate) from None
    if not facts.for_all:
        raise TlsFileError(
            f"tls-certificate: '{files.certificate}' has a key of a kind that gRPC cannot use; "
            "expected RSA, or EC on the curve P-256 or P-384"
        )
    if read(files) != pems:
        raise TlsFileError("tls-certificate: the files are being changed")
    return Certificate(pems, facts, clients, operators)


def open_certificates(files: TlsFiles | None, *, quiet: bool = False) -> Certificates | None:
    """Those of `files`, None where there are none. Raises TlsFileError."""
    return None if files is None else Certificates(files, quiet=quiet)


class Certificates:
    """The certificate in use. Looks at `files` between `start` and `stop`."""

    def __init__(self, files: TlsFiles, *, quiet: bool = False) -> None:
        """Raises TlsFileError. `quiet` where somebody else logs what happens to the files."""
        self.files = files
        self.current = load(files)
        self.clients = Renewed.by(lambda: self.current.clients)
        self.operators = Renewed.by(lambda: self.current.operators)
        self._told: list[Callable[[], None]] = []
        self._is_told = True
        self._quiet = quiet
        self._refusals = Refusals()
        self._stopped = threading.Event()

    def on_renewal(self, tell: Callable[[], None]) -> None:
        """Have `tell` called, in a thread, after each renewal."""
        self._told.append(tell)

    def start(self) -> None:
        """Look from here on."""
        threading.Thread(target=self._follow, name="certificates", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def look(self, now: float) -> None:
        """Take up what is in the files if it is new and good; `now` is monotonic, in seconds."""
        try:
            if read(self.files) != self.current.pems:
                self.current = load(self.files)
                self._is_told = False
        except TlsFileError as error:
            if self._refusals.is_news(now) and not self._quiet:
                log.error("the renewed certificate cannot be used; the one before stays in use",
                          reason=str(error))  # fmt: skip
            return
        self._refusals.mended()
        if self._is_told:
            return
        for tell in self._told:  # again with the next look if one fails
            tell()
        self._is_told = True
        if not self._quiet:
            end = datetime.fromtimestamp(self.current.facts.expires_at, UTC)
            log.info("certificate renewed", expires=end.isoformat())

    def _follow(self) -> None:
        said = ""
        while not self._stopped.wait(LOOK_EVERY):
            try:
                self.look(time.monotonic())
                said = ""
            except Exception as error:
                if repr(error) != said:
                    said = repr(error)
                    log.exception("unexpected error")


class Refusals:
    """Which refusals in a row of looks are worth a line in the log."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._said_at = float("-inf")

    def is_news(self, now: float) -> bool:
        """Whether to say that the look at `now` found what cannot be used: not of files that are
        being written, which the next look finds whole, and seldom twice.
        """
        self._in_a_row += 1
        if self._in_a_row == 1 or now < self._said_at + SAY_AGAIN:
            return False
        self._said_at = now
        return True

    def mended(self) -> None:
        """A look found what can be used."""
        self._in_a_row, self._said_at = 0, float("-inf")
