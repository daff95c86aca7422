"""A repository is a folder or an object store, by its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.repository.errors import RepositoryError
from server.repository.store_url import StoreUrl, parse_location


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models", Path("models")),
        ("/srv/models", Path("/srv/models")),
        ("s3://bucket", StoreUrl("s3", "bucket", "")),
        ("s3://bucket/a/b/", StoreUrl("s3", "bucket", "a/b")),
        ("S3://bucket/a", StoreUrl("s3", "bucket", "a")),
        ("gs://bucket/a", StoreUrl("gs", "bucket", "a")),
        ("hf://acme/models", StoreUrl("hf", "acme/models", "")),
        ("hf://acme/models@v1.0/a/b/", StoreUrl("hf", "acme/models@v1.0", "a/b")),
        ("az://container/a", StoreUrl("az", "container", "a")),
        ("abfs://box@account.example/a", StoreUrl("abfs", "box@account.example", "a")),
    ],
)
def test_a_location_is_told_by_its_text(text, expected):
    assert parse_location(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "http://host/x", "file:///etc", "s3://", "s3:///x", "s3://b/../c", "s3://b//c",
        "s3://b/x?versionId=1", "s3://b/x#y", "s3://b/\\x", "s3://b/\0", "s3://[b/x",
        "s3://b!cket/x", "s3://ab/x", "gs://Bucket/x", "az://a--b/x", "az://under_score/x",
        "hf://acme", "hf://acme/", "hf://acme/models@", "hf://acme/models@a@b", "hf://datasets/acme/x",
        "hf://token@acme/models", "hf://acme/models@refs%2Fpr%2F1", "hf://acme/models/../x",
        "s3://key:secret@b/x", "s3://key@b/x", "s3://b/" + "x" * 3000,
    ],
)  # fmt: skip
def test_another_is_refused_without_repeating_it(text):
    with pytest.raises(RepositoryError) as refused:
        parse_location(text)
    assert "secret" not in refused.value.reason.replace("nothing secret", "")
    assert "expected" in refused.value.reason


@pytest.mark.parametrize(
    ("prefix", "other", "held"),
    [
        ("s3://box/a", "s3://box/a", True),
        ("s3://box/a", "s3://box/a/b/c", True),
        ("s3://box", "s3://box/a", True),
        ("gs://box/a", "gcs://box/a/b", True),
        ("s3://box/a", "s3://box/ab", False),
        ("s3://box/a", "s3://box", False),
        ("s3://box/a/b", "s3://box/a", False),
        ("s3://box/a", "s3://boxes/a/b", False),
        ("s3://box/a", "gs://box/a/b", False),
        ("hf://acme/m", "hf://acme/m/a", True),
        ("hf://acme/m", "hf://acme/m@dev/a", False),
        ("az://box/a", "az://box@elsewhere.example/a", False),
    ],
)
def test_a_prefix_holds_what_is_it_or_lies_below_it(prefix, other, held):
    assert parse_location(prefix).holds(parse_location(other)) == held


def test_above_the_first_part_of_a_prefix_is_nothing():
    assert parse_location("s3://box/a/b").parent == StoreUrl("s3", "box", "a")
    assert parse_location("s3://box/a").parent is None


def test_every_repository_has_a_cache_folder_of_its_own():
    keys = {
        parse_location(url).key for url in ("s3://box/b", "s3://box/c", "gs://box/b", "s3://boxb")
    }
    assert len(keys) == 4
    assert all("/" not in key for key in keys)
