"""What gRPC says TLS with: its own library's, which asks for the certificate at every handshake."""

from __future__ import annotations

import grpc

from server.tls.certificates import Certificates


def credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Credentials of a server whose new connections get the certificate that is in use then."""
    given = certificates.current

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC's own threads; None where nothing has changed."""
        nonlocal given
        now = certificates.current
        if now is given:
            return None
        given = now
        return _configuration(certificates)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(certificates),
        renewed,  # type: ignore[arg-type]  # None means that nothing has changed
        require_client_authentication=bool(certificates.files.client_ca),
    )


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    pems = certificates.current.pems
    return grpc.ssl_server_certificate_configuration(
        [(pems.key, pems.certificate)], root_certificates=pems.client_ca or None
    )
