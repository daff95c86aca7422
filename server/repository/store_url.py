"""Tells folders from object stores among the given repositories, by their text; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from urllib.parse import urlsplit

from server.repository.errors import RepositoryError
from server.repository.names import shown

EXTRAS = {"s3": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "hf": "hf"}
"""The extra of this package that each scheme needs."""

MAX_URL = 2048
_BUCKETS = {
    "s3": (r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]", "3 to 255 of A-Z a-z 0-9 . _ -"),
    "gs": (r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", "3 to 222 of a-z 0-9 . _ -"),
    "az": (r"(\$root|\$web|(?=[^@]{3,63}(@|$))[a-z0-9]+(-[a-z0-9]+)*)(@[A-Za-z0-9.-]+)?",
           "3 to 63 of a-z 0-9 -"),
    "hf": (r"(?!(?:models|datasets|spaces|kernels|buckets)/)[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
           r"/[A-Za-z0-9_][A-Za-z0-9._-]{0,95}(@[A-Za-z0-9_][A-Za-z0-9._-]{0,99})?",
           "OWNER/REPO or OWNER/REPO@REVISION, a repository of models"),
}  # fmt: skip
"""By scheme, which names of buckets there can be, and the rule in words."""
_OTHER_NAMES = {"gcs": "gs", "abfs": "az"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A model repository in an object store: `scheme`://`bucket`/`prefix`, no slash at the end.

    On a hub, `bucket` is OWNER/REPO or OWNER/REPO@REVISION.
    """

    scheme: str
    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def key(self) -> str:
        """A name for a folder that is this repository's alone."""
        return f"{self.scheme}-{blake2b(str(self).encode(), digest_size=12).hexdigest()}"

    @property
    def parent(self) -> StoreUrl | None:
        """The prefix that this one lies in, None where that would be the bucket itself."""
        above = self.prefix.rpartition("/")[0]
        return StoreUrl(self.scheme, self.bucket, above) if above else None

    def holds(self, other: StoreUrl) -> bool:
        """Whether `other` is this prefix or lies below it."""
        if (kind_of(self.scheme), self.bucket) != (kind_of(other.scheme), other.bucket):
            return False
        return not self.prefix or f"{other.prefix}/".startswith(f"{self.prefix}/")


def kind_of(scheme: str) -> str:
    """The store that `scheme` stands for: the first of its names."""
    return _OTHER_NAMES.get(scheme, scheme)


def parse_location(text: str) -> Path | StoreUrl:
    """The folder or the object store that `text` names; raises RepositoryError."""
    found = _SCHEME.match(text)
    if found is None:
        return Path(text)
    scheme = found[1].lower()
    if scheme not in EXTRAS:
        known = ", ".join(f"{name}://" for name in EXTRAS)
        raise RepositoryError(
            f"{shown(f'{scheme}://')} is no known store; expected a folder or {known}"
        )
    try:
        parts = urlsplit(text)
    except ValueError:
        raise RepositoryError(f"expected {scheme}://BUCKET/PREFIX") from None
    if ":" in parts.netloc or (scheme in ("s3", "gs", "gcs") and "@" in parts.netloc):
        raise RepositoryError(
            f"expected {scheme}://BUCKET/PREFIX and nothing secret in it; "
            "credentials come from the environment, see docs/object-stores.md"
        )
    bucket, prefix = parts.netloc, parts.path.removeprefix("/").removesuffix("/")
    unclear = bool(prefix) and any(part in ("", ".", "..") for part in prefix.split("/"))
    if not parts.netloc or parts.query or parts.fragment or unclear or len(text) > MAX_URL:
        raise RepositoryError(f"expected {scheme}://BUCKET/PREFIX")
    if any(ord(char) < 32 for char in text) or "\\" in text:
        raise RepositoryError(f"expected {scheme}://BUCKET/PREFIX")
    pattern, rule = _BUCKETS[kind_of(scheme)]
    if scheme == "hf":
        repository, _, prefix = prefix.partition("/")
        bucket = f"{bucket}/{repository}"
    if re.fullmatch(pattern, bucket) is None:
        raise RepositoryError(f"there is no bucket of that name, expected {rule}")
    return StoreUrl(scheme, bucket, prefix)
