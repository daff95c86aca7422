"""Joins the repository and the lifecycle: what lies in the folders becomes what is aspired."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from runtimes.contract.messages import ModelSpec
from server.lifecycle.manager import LifecycleManager
from server.repository.artifacts import Artifact
from server.repository.aspired import aspired
from server.repository.errors import RepositoryError
from server.repository.listing import ModelEntry, RepositoryListing
from server.repository.local import locate, scan
from server.repository.settings import ModelSettings
from server.workers.worker import LoadError

log = structlog.get_logger()


class Supply:
    """The repositories' content as last read."""

    def __init__(self, roots: Sequence[Path], cpus: int) -> None:
        self._roots = roots
        self._cpus = cpus
        self._listing = RepositoryListing({})

    def announce(self, manager: LifecycleManager) -> None:
        """Read the repositories and tell `manager` what is wanted. Raises RepositoryError."""
        self._listing = scan(self._roots)
        _log_passed_over(self._listing)
        for name, entry in self._listing.models.items():
            if entry.settings is None:
                manager.reject(name, entry.error)
                log.error("model cannot be served", model=name, reason=entry.error)
                continue
            versions = aspired(entry.settings.version_policy, entry.versions)
            if versions:
                manager.aspire(entry.settings, versions)
            else:
                reason = _no_version(entry)
                manager.reject(name, reason)
                log.warning("model has no version to serve", model=name, reason=reason)

    def describe(self, settings: ModelSettings, version: int) -> tuple[ModelSpec, tuple[str, ...]]:
        """What a worker needs to load that version, and a device for each of its workers.

        Raises LoadError where the version's folder holds nothing to load.
        """
        try:
            artifact = locate(self._listing.models[settings.name], version)
        except RepositoryError as error:
            raise LoadError(error.reason) from None
        return spec_of(settings, version, artifact, self._cpus), devices_of(settings)


def spec_of(settings: ModelSettings, version: int, artifact: Artifact, cpus: int) -> ModelSpec:
    """A worker's orders; CPUs are shared out among a model's workers unless `threads` is set."""
    return ModelSpec(
        model=settings.name,
        version=version,
        runtime=artifact.runtime,
        artifact=str(artifact.path),
        precision=settings.precision.value,
        threads=settings.threads or max(1, cpus // settings.workers),
        inputs=settings.inputs,
        outputs=settings.outputs,
        max_batch_size=settings.max_batch_size,
        batching=settings.batching,
        warmup=settings.warmup,
        options=settings.options,
    )


def devices_of(settings: ModelSettings) -> tuple[str, ...]:
    """One device per worker, dealt in turn."""
    return tuple(settings.devices[i % len(settings.devices)] for i in range(settings.workers))


def _no_version(entry: ModelEntry) -> str:
    if entry.incomplete and not entry.versions:
        whys = (f"{version}: {reason}" for version, reason in entry.incomplete.items())
        return f"no version is whole yet; {'; '.join(whys)}"
    if entry.versions:
        return f"its version policy asks for none of its versions {list(entry.versions)}"
    return "no version folder; expected a folder named by a number, such as 1"


def _log_passed_over(listing: RepositoryListing) -> None:
    for reason in listing.ignored:
        log.warning("passed over in a model repository", reason=reason)
    for entry in listing.models.values():
        for reason in entry.ignored:
            log.warning("passed over in a model's folder", model=entry.name, reason=reason)
    for entry in listing.shadowed:
        log.warning("model not served", model=entry.name, reason=entry.error)
