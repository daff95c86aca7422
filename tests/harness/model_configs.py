"""TensorFlow Serving's model configs as text, and its call that replaces all models."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format


def entry(name: str, base_path: Path | str, more: str = "") -> str:
    """One model of a config."""
    return (
        f'config {{ name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" {more} }}'
    )


def config(*entries: str) -> str:
    """A config of these models."""
    return f"model_config_list {{ {' '.join(entries)} }}"


@contextlib.contextmanager
def reloads(address: str) -> Iterator[Callable[..., None]]:
    """A call that takes entries and has the server at `address` serve them, and no others;
    grpc.RpcError where it fails.
    """
    pb = pytest.importorskip("protos.tfs_api_pb2")
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
            request_serializer=pb.ReloadConfigRequest.SerializeToString,
            response_deserializer=pb.ReloadConfigResponse.FromString,
        )

        def reload(*entries: str) -> None:
            request = pb.ReloadConfigRequest()
            text_format.Parse(config(*entries), request.config)
            assert call(request, timeout=60).status.error_code == 0

        yield reload
