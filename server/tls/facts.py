"""What a certificate says of itself. Imported only where there is one: the library is large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import PublicKeyAlgorithmOID

_NO_NAMES = (
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """`names` are the host names and addresses it is for. Times are seconds since 1970.

    `for_all` says whether each of the libraries that speak TLS here can use its kind of key: gRPC's
    knows RSA and two curves.
    """

    names: tuple[str, ...]
    begins_at: float
    expires_at: float
    for_all: bool = True


def facts_of(pem: bytes) -> CertificateFacts:
    """Of the first certificate in `pem`, which is the server's own. ValueError for none. Names that
    cannot be read are left out.
    """
    certificate = x509.load_pem_x509_certificate(pem)
    return CertificateFacts(
        tuple(_names(certificate)),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        _is_for_all(certificate),
    )


def _is_for_all(certificate: x509.Certificate) -> bool:
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return False
    if isinstance(key, EllipticCurvePublicKey):
        return isinstance(key.curve, SECP256R1 | SECP384R1)
    # An RSA key that is for RSASSA-PSS alone is another kind, which only Python's library takes.
    kind = certificate.public_key_algorithm_oid
    return isinstance(key, RSAPublicKey) and kind == PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5


def _names(certificate: x509.Certificate) -> Sequence[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except _NO_NAMES:
        return ()
    addresses = (str(one) for one in found.get_values_for_type(x509.IPAddress))
    return *found.get_values_for_type(x509.DNSName), *addresses
