"""Pages of a store are counted as they come, and read as each store writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from fsspec.asyn import get_loop

from server.repository import store_listing
from server.repository.errors import RepositoryError
from server.repository.store_listing import list_objects

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Gcs:
    """Answers `objects.list`, three objects a page, without an end where `endless`."""

    protocol, async_impl = ("gs", "gcs"), True

    def __init__(self, endless: bool = False) -> None:
        self.loop = get_loop()
        self.asked: list[dict[str, object]] = []
        self._endless = endless

    async def _call(self, method, path, bucket, json_out, **parameters):
        self.asked.append({"path": path, "bucket": bucket, **parameters})
        start = int(parameters.get("pageToken", 0))
        items = [
            {"name": f"p/{n}", "size": str(n), "generation": "7"} for n in range(start, start + 3)
        ]
        more = self._endless or start < 3
        return {"items": items, **({"nextPageToken": str(start + 3)} if more else {})}


def test_google_s_pages_follow_one_another():
    gcs = Gcs()

    found = list_objects(gcs, "box/p")

    assert [(info["name"], info["size"]) for info in found] == [(f"box/p/{n}", n) for n in range(6)]
    assert [one.get("pageToken") for one in gcs.asked] == [None, "3"]
    assert {(one["bucket"], one["prefix"]) for one in gcs.asked} == {("box", "p/")}


@pytest.mark.parametrize("most", [1, 5])
def test_no_more_pages_are_asked_for_than_may_be_there(monkeypatch, most):
    monkeypatch.setattr(store_listing, "MAX_KEYS", most)
    gcs = Gcs(endless=True)
    with pytest.raises(RepositoryError, match=f"more than {most} objects"):
        list_objects(gcs, "box")
    assert len(gcs.asked) == most // 3 + 1


class Azure:
    """A container client with two blobs, one of which is a folder."""

    protocol, async_impl = ("abfs", "az", "abfss"), True

    def __init__(self) -> None:
        self.loop = get_loop()
        self.service_client = self

    def get_container_client(self, container):
        self.container = container
        return self

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_error):
        pass

    async def list_blobs(self, name_starts_with, include):
        assert (name_starts_with, include) == ("p/", ["metadata"])
        for name, metadata in (("p/a", {"hdi_isfolder": "true"}), ("p/a/1", None)):
            yield SimpleNamespace(name=name, size=3, etag="e", last_modified=AT, metadata=metadata)


def test_folders_of_azure_are_no_objects():
    found = list_objects(Azure(), "box/p")
    assert [(info["name"], info["type"]) for info in found] == [
        ("box/p/a", "directory"), ("box/p/a/1", "file"),
    ]  # fmt: skip
    assert found[1]["last_modified"] == AT
