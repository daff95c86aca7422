"""A model that is named together with its folder, wherever that lies; pure.

The other kind of source is a model repository, a folder whose subfolders are models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

from server.repository.errors import RepositoryError
from server.repository.settings import ModelSettings, VersionPolicy
from server.repository.store_url import StoreUrl, parse_location


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One entry of a model config: `base_path` is the absolute folder of its numbered versions, or
    the URL of an object store that has them below its prefix.

    `platform` is a runtime's name, or "" where the artifact decides. `policy` is None and `labels`
    is empty where the entry does not say; then a model.yaml beside the versions may.
    """

    name: str
    base_path: str
    platform: str = ""
    policy: VersionPolicy | None = None
    labels: Mapping[str, int] = field(default_factory=dict)

    @property
    def location(self) -> Path | StoreUrl:
        """The base path as a folder or an object store."""
        return parse_location(self.base_path)

    @property
    def origin(self) -> str:
        """What differs where the folder does: version 1 elsewhere is another version 1. Not the
        path itself, because it goes where clients' questions are answered.
        """
        return blake2b(self.base_path.encode(), digest_size=8).hexdigest()


def settings_of(served: ServedModel, found: ModelSettings) -> ModelSettings:
    """What the entry and the settings `found` beside the versions say together.

    What only one of them says holds. Raises RepositoryError where they contradict each other.
    """
    conflicts = []
    if served.platform and found.runtime not in ("", served.platform):
        conflicts.append(f"runtime ('{served.platform}' and '{found.runtime}')")
    own_policy = found.version_policy != VersionPolicy()
    if served.policy and own_policy and found.version_policy != served.policy:
        conflicts.append("the version policy")
    if served.labels and found.labels and dict(served.labels) != dict(found.labels):
        conflicts.append("labels")
    if conflicts:
        raise RepositoryError(
            f"the model config and the settings beside the versions differ in "
            f"{', '.join(conflicts)}; remove one of the two"
        )
    return replace(
        found,
        runtime=served.platform or found.runtime,
        version_policy=served.policy or found.version_policy,
        labels=served.labels or found.labels,
        origin=served.origin,
    )
