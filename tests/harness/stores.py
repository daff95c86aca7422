"""Object stores that run here: rclone as S3 (it checks signatures), emulators of GCS and Azure."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
RCLONE = ROOT / ".venvs/stores/bin/rclone"
GCS = ROOT / ".venvs/stores/bin/gcp-storage-emulator"
AZURITE = ROOT / ".venvs/azurite/node_modules/.bin/azurite-blob"
KEY, SECRET = "ACCESSKEYTEST", "SECRETKEYTEST123"
AZURE_ACCOUNT = "testaccount"
AZURE_KEY = "dGVzdC1rZXktb2YtYW4tZW11bGF0b3I="


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StoreProcess:
    """A store on one port, which can be stopped and started again."""

    def __init__(self, *command: str, port: int, environment: dict[str, str] | None = None) -> None:
        self.port = port
        self._command = command
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *flags: str) -> None:
        """Run it with more `flags`, and wait until it takes connections."""
        self._process = subprocess.Popen(
            [*self._command, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=self._environment,
        )  # fmt: skip
        deadline = time.monotonic() + 150
        while True:
            assert self._process.poll() is None, f"{self._command[0]} ended"
            assert time.monotonic() < deadline, f"{self._command[0]} does not listen"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None


@contextlib.contextmanager
def running(store: StoreProcess) -> Iterator[StoreProcess]:
    """`store` started, and stopped at the end."""
    try:
        store.start()
        yield store
    finally:
        store.stop()


def s3(buckets: Path) -> StoreProcess:
    """S3 over the folders in `buckets`, each a bucket."""
    port = free_port()
    return StoreProcess(
        str(RCLONE), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}",
        "--dir-cache-time", "0s", "--config", "", str(buckets), port=port,
    )  # fmt: skip


def s3_environment(store: StoreProcess, secret: str = SECRET) -> dict[str, str]:
    """What tells a client of S3 where it is and who asks."""
    return {
        "AWS_ENDPOINT_URL": store.url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip


def gcs() -> StoreProcess:
    """Google Cloud Storage, in memory."""
    port = free_port()
    return StoreProcess(
        str(GCS), "start", "--host", "127.0.0.1", "--port", str(port), "--in-memory", port=port
    )


def put_in_gcs(store: StoreProcess, bucket: str, folder: Path) -> None:
    """Upload all files below `folder` under their names relative to it."""
    httpx.post(f"{store.url}/storage/v1/b", json={"name": bucket}).raise_for_status()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            where = {"uploadType": "media", "name": path.relative_to(folder).as_posix()}
            url = f"{store.url}/upload/storage/v1/b/{bucket}/o"
            httpx.post(url, params=where, content=path.read_bytes()).raise_for_status()


def azure(folder: Path) -> StoreProcess:
    """Azure Blob Storage, in `folder`."""
    port = free_port()
    return StoreProcess(
        str(AZURITE), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder),
        "--silent", "--skipApiVersionCheck", port=port,
        environment={"AZURITE_ACCOUNTS": f"{AZURE_ACCOUNT}:{AZURE_KEY}"},
    )  # fmt: skip


def azure_environment(store: StoreProcess) -> dict[str, str]:
    """What tells a client of Azure where it is and who asks."""
    return {
        "AZURE_STORAGE_CONNECTION_STRING": (
            f"DefaultEndpointsProtocol=http;AccountName={AZURE_ACCOUNT};AccountKey={AZURE_KEY};"
            f"BlobEndpoint={store.url}/{AZURE_ACCOUNT};"
        )
    }


def put_in_azure(store: StoreProcess, container: str, folder: Path) -> None:
    """The same for Azure, by its own client in a process of its own."""
    program = (
        "import sys, pathlib; from azure.storage.blob import BlobServiceClient as C\n"
        "c = C.from_connection_string(sys.argv[1]).create_container(sys.argv[2])\n"
        "root = pathlib.Path(sys.argv[3])\n"
        "for p in root.rglob('*'):\n"
        "    if p.is_file(): c.upload_blob(p.relative_to(root).as_posix(), p.read_bytes())\n"
    )
    (connection,) = azure_environment(store).values()
    subprocess.run(
        [sys.executable, "-c", program, connection, container, str(folder)], check=True, timeout=60
    )
