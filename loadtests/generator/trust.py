"""Whom a client believes that speaks TLS: the system's authorities, those of a file, or anybody."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True)
class Trust:
    """`ca_file` has certificates as PEM and stands for the system's; `insecure` checks nothing."""

    ca_file: str = ""
    insecure: bool = False

    def context(self) -> ssl.SSLContext:
        """For HTTP/1.1 by asyncio. Raises OSError where the file can't be used."""
        context = ssl.create_default_context(cafile=self.ca_file or None)
        context.set_alpn_protocols(["http/1.1"])
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def verify(self) -> bool | str:
        """The same for `requests`, which else brings authorities of its own."""
        if self.insecure:
            return False
        system = ssl.get_default_verify_paths()
        return self.ca_file or system.cafile or system.capath or True

    def credentials(self) -> grpc.ChannelCredentials:
        """The same for gRPC, which always checks. Raises ValueError where it may not."""
        if self.insecure:
            raise ValueError("insecure: gRPC always checks certificates; say ca_file instead")
        path = self.ca_file or ssl.get_default_verify_paths().cafile
        return grpc.ssl_channel_credentials(Path(path).read_bytes() if path else None)


def is_tls(url: str) -> bool:
    """Whether what is at `url` is asked over TLS."""
    return url.startswith(("https://", "grpcs://"))
