"""Lists what lies below a prefix of an object store, by pages that are counted as they come: of
millions of keys no more are ever in memory than may be there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from server.repository.errors import RepositoryError

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

LIST_SECONDS = 60.0
"""How long one listing may take in all, retries of the SDK included."""
MAX_KEYS = 100_000
_REFRESH = {"hf": {"refresh": True}}
_GCS_PAGE = 1000
_GCS_FIELDS = "nextPageToken,items(name,size,updated,md5Hash,generation)"

Info = Mapping[str, object]


def list_objects(fs: AbstractFileSystem, path: str) -> list[Info]:
    """What the store says of each object below `path`, a bucket with or without a prefix; `name` is
    its path. Raises RepositoryError where they are more than MAX_KEYS.
    """
    pages = _pages(fs, path)
    if pages is None:  # a hub, which knows folders, and would tell what it said the last time
        found = list(fs.find(path, detail=True, **_REFRESH.get(fs.protocol, {})).values())
    else:
        from fsspec.asyn import sync

        found = cast("list[Info]", sync(fs.loop, _collect, pages, timeout=LIST_SECONDS))
    if len(found) > MAX_KEYS:
        raise RepositoryError(f"the store holds more than {MAX_KEYS} objects there")
    return found


def _pages(fs: AbstractFileSystem, path: str) -> AsyncGenerator[Info, None] | None:
    bucket, _, key = path.partition("/")
    prefix = f"{key}/" if key else ""
    if not fs.async_impl:
        return None
    if "s3" in fs.protocol:
        return cast("AsyncGenerator[Info, None]", fs._iterdir(bucket, delimiter="", prefix=prefix))
    if "gs" in fs.protocol:
        return _gcs(fs, bucket, prefix)
    return _azure(fs, bucket, prefix)


async def _collect(pages: AsyncGenerator[Info, None]) -> list[Info]:
    found: list[Info] = []
    async with aclosing(pages):
        async for info in pages:
            found.append(info)
            if len(found) > MAX_KEYS:
                break
    return found


async def _gcs(fs: AbstractFileSystem, bucket: str, prefix: str) -> AsyncGenerator[Info, None]:
    """By the JSON API's `objects.list`; its sizes are texts."""
    token: Mapping[str, str] = {}
    while True:
        page = await fs._call(
            "GET", "b/{}/o", bucket, json_out=True, prefix=prefix, maxResults=_GCS_PAGE,
            fields=_GCS_FIELDS, **token,
        )  # fmt: skip
        for item in page.get("items", []):
            yield {**item, "name": f"{bucket}/{item['name']}", "size": int(item["size"])}
        if not page.get("nextPageToken"):
            return
        token = {"pageToken": page["nextPageToken"]}


async def _azure(fs: AbstractFileSystem, bucket: str, prefix: str) -> AsyncGenerator[Info, None]:
    """By the SDK's own pages. Some accounts have folders, which are told by a mark."""
    async with fs.service_client.get_container_client(container=bucket) as client:
        async for blob in client.list_blobs(name_starts_with=prefix, include=["metadata"]):
            folder = (blob.metadata or {}).get("hdi_isfolder") == "true"
            yield {
                "name": f"{bucket}/{blob.name}", "size": blob.size, "etag": blob.etag,
                "last_modified": blob.last_modified, "type": "directory" if folder else "file",
            }  # fmt: skip
