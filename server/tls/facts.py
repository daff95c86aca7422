"""What a certificate says of itself. Imported only where there is one: the library is large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """`names` are the host names and addresses it is for. Times are seconds since 1970."""

    names: tuple[str, ...]
    begins_at: float
    expires_at: float


def facts_of(pem: bytes) -> CertificateFacts:
    """Of the first certificate in `pem`, which is the server's own. ValueError for none."""
    certificate = x509.load_pem_x509_certificate(pem)
    return CertificateFacts(
        tuple(_names(certificate)),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )


def _names(certificate: x509.Certificate) -> Sequence[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = (str(one) for one in found.get_values_for_type(x509.IPAddress))
    return *found.get_values_for_type(x509.DNSName), *addresses
