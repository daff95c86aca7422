"""How commands that ask a server over https:// trust it, and show who they are."""

from __future__ import annotations

import functools
import ssl
import urllib.request
from collections.abc import Callable
from typing import Any

import click

_FILE = click.Path(dir_okay=False)


def tls_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--ca-file`, `--client-certificate` and `--client-key`, in force for what `command` asks by
    urllib, and for its subcommands.
    """

    @click.option("--ca-file", type=_FILE, envvar="UNDERWAY_CA_FILE", show_envvar=True,
                  help="PEM file of the authorities to trust with https://; unless given, those of "
                  "SSL_CERT_FILE or of the system.")  # fmt: skip
    @click.option("--client-certificate", type=_FILE, envvar="UNDERWAY_CLIENT_CERTIFICATE",
                  show_envvar=True, help="PEM file with a certificate, for a server with "
                  "--tls-client-ca.")  # fmt: skip
    @click.option("--client-key", type=_FILE, envvar="UNDERWAY_CLIENT_KEY", show_envvar=True,
                  help="PEM file with its key, where it is not in the same file.")  # fmt: skip
    @functools.wraps(command)
    def with_tls(
        *arguments: Any,
        ca_file: str | None,
        client_certificate: str | None,
        client_key: str | None,
        **options: Any,
    ) -> None:
        if client_key and not client_certificate:
            raise click.UsageError("--client-key: only with --client-certificate")
        if ca_file or client_certificate:
            context = _context(ca_file, client_certificate, client_key)
            handler = urllib.request.HTTPSHandler(context=context)
            urllib.request.install_opener(urllib.request.build_opener(handler))
        command(*arguments, **options)

    return with_tls


def refused_by_tls(url: str, error: object) -> str:
    """The sentence for a server with which TLS came to nothing; "" where it was something else."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {url} is not trusted: {error.verify_message}. Name the "
            "authority that issued it with --ca-file"
        )
    # A server that wants a certificate may have hung up before that could be read.
    failed = isinstance(error, ssl.SSLError | ConnectionResetError | BrokenPipeError)
    if not failed or not url.startswith("https://"):
        return ""
    return (
        f"no TLS with {url} ({error}). Does it speak TLS? Does it want a certificate of its "
        "clients (--client-certificate)?"
    )


def _context(ca_file: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise click.UsageError(f"--ca-file: {_fault(ca_file, error)}") from None
    if certificate:
        try:
            context.load_cert_chain(certificate, key)
        except OSError as error:
            raise click.UsageError(f"--client-certificate: {_fault(certificate, error)}") from None
    return context


def _fault(path: str | None, error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"'{path}' cannot be used: {error.reason or 'no PEM in it'}"
    return f"'{path}' or its key cannot be read: {error.strerror}"
