"""Whether the server's own certificate can be used, by whom, and for how long."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

from server.doctor.finding import Finding, Grade
from server.tls.certificates import load
from server.tls.facts import CertificateFacts
from server.tls.files import TlsFileError, TlsFiles

AREA = "tls"

SOON = 7 * 86_400.0
"""Seconds before the end in which a renewal is late; as in the alert UnderwayCertificateExpires."""


def check_certificate(files: TlsFiles, now: float) -> list[Finding]:
    """All checks of `files`; `now` is in seconds since 1970."""
    try:
        facts = load(files).facts
        mode = Path(files.key).stat().st_mode
    except TlsFileError as error:
        return [Finding(AREA, "certificate", Grade.PROBLEM, str(error))]
    except OSError as error:
        return [Finding(AREA, "certificate", Grade.PROBLEM, f"tls-certificate: {error}")]
    return [
        judge_validity(facts, now),
        judge_names(facts),
        judge_key_mode(files.key, mode),
        _clients(files),
    ]


def judge_validity(facts: CertificateFacts, now: float) -> Finding:
    """Whether it is valid, and whether it will be for long."""
    details = {"begins_at": facts.begins_at, "expires_at": facts.expires_at}
    advice = "have it renewed: the server takes up what is then in the files, without a restart"
    if now < facts.begins_at:
        text = f"it is not valid before {_day(facts.begins_at)}"
        return Finding(AREA, "certificate", Grade.PROBLEM, text, "is the clock right?", details)
    if now >= facts.expires_at:
        text = f"it expired on {_day(facts.expires_at)}; clients refuse it"
        return Finding(AREA, "certificate", Grade.PROBLEM, text, advice, details)
    text = f"it fits its key and is valid until {_day(facts.expires_at)}"
    if facts.expires_at - now < SOON:
        return Finding(AREA, "certificate", Grade.WARNING, text, advice, details)
    return Finding(AREA, "certificate", Grade.OK, text, details=details)


def judge_names(facts: CertificateFacts) -> Finding:
    """Which names clients may call the server by."""
    details = {"names": list(facts.names)}
    if facts.names:
        text = f"clients may call it {', '.join(facts.names)}"
        return Finding(AREA, "names", Grade.OK, text, details=details)
    advice = "let it be issued with subject alternative names; the common name counts no more"
    return Finding(AREA, "names", Grade.WARNING, "it is for no host name", advice, details)


def judge_key_mode(path: str, mode: int) -> Finding:
    """Whether others than the key's user and group may have it; `mode` is that of its file."""
    details = {"mode": f"{stat.S_IMODE(mode):04o}"}
    if not mode & stat.S_IRWXO:
        return Finding(AREA, "key", Grade.OK, "others cannot read the key", details=details)
    text, advice = "every user of the machine can read the key", f"`chmod o= {path}`"
    if not mode & stat.S_IROTH:
        text = "others than its user and group may do something with the key"
    return Finding(AREA, "key", Grade.WARNING, text, advice, details)


def _clients(files: TlsFiles) -> Finding:
    text = (
        "clients of REST and gRPC must show a certificate; whoever reaches the metrics port needs "
        "none, and may do everything there that the access file lets them"
    )
    if not files.client_ca:
        text = "clients need no certificate"
    return Finding(AREA, "clients", Grade.OK, text)


def _day(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M UTC")
