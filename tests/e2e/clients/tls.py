"""Both of tritonclient's clients over TLS, with a certificate of their own.

Usage: python tls.py HTTP_PORT GRPC_PORT CA_FILE CERTIFICATE KEY

Asks the echo model `wide` for a small and a large answer; prints what came as JSON.
"""

import json
import ssl
import sys
from typing import Any

import gevent.ssl
import numpy as np
import tritonclient.grpc
import tritonclient.http

SIZES = (1, 1_000_000)


def ask(client: Any, library: Any) -> dict[str, bool]:
    """Whether each answer is what was sent."""
    found = {}
    for size in SIZES:
        x = np.arange(size, dtype=np.float32).reshape(1, size)
        given = library.InferInput("x", x.shape, "FP32")
        given.set_data_from_numpy(x)
        answer = client.infer("wide", [given]).as_numpy("x_out")
        found[str(size)] = bool(np.array_equal(answer, x))
    client.close()
    return found


def main(http_port: str, grpc_port: str, ca: str, certificate: str, key: str) -> None:
    def context(**_: Any) -> Any:
        made = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.load_verify_locations(ca)
        made.load_cert_chain(certificate, key)
        return made

    rest = tritonclient.http.InferenceServerClient(
        f"localhost:{http_port}", ssl=True, ssl_context_factory=context
    )
    over_grpc = tritonclient.grpc.InferenceServerClient(
        f"localhost:{grpc_port}", ssl=True, root_certificates=ca, private_key=key,
        certificate_chain=certificate,
    )  # fmt: skip
    told = {"rest": ask(rest, tritonclient.http), "grpc": ask(over_grpc, tritonclient.grpc)}
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
