"""Joins the repository and the lifecycle: what lies in the folders becomes what is aspired."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from runtimes.contract.messages import ModelSpec
from server.errors import InvalidArgument
from server.lifecycle.loading import Supplied
from server.lifecycle.manager import LifecycleManager
from server.lifecycle.states import State
from server.oddities import Oddities
from server.repository.artifacts import Artifact
from server.repository.batching_defaults import BatchingDefaults
from server.repository.errors import RepositoryError
from server.repository.listing import MODEL_CONFIG, ModelEntry, RepositoryListing
from server.repository.local import ScanMemory, is_unchanged, locate, scan, verify_version
from server.repository.mirror import Mirror
from server.repository.served_set import ServedSet
from server.repository.settings import ModelSettings
from server.repository.store_bases import StoreBases
from server.repository.triton_config import parse_triton_json
from server.telemetry.lifecycle import LifecycleMeter
from server.telemetry.repositories import RepositoryMeter
from server.workers.worker import LoadError

log = structlog.get_logger()

REPOSITORY = "repository"
"""The cause of what follows from a change in the repository."""


class Supply:
    """The repositories' content as last read, and what of it was taken up."""

    def __init__(
        self,
        roots: Sequence[Path | Mirror],
        cpus: int,
        quiet_period: float,
        meter: LifecycleMeter,
        *,
        served: ServedSet | None = None,
        batching: BatchingDefaults | None = None,
        repositories: RepositoryMeter | None = None,
        stores_may_wait: bool = False,
        bases: StoreBases | None = None,
    ) -> None:
        """`stores_may_wait`: a store that cannot be read at first is no reason to give up."""
        self._roots = tuple(roots)
        self._cpus = cpus
        self._quiet_period = quiet_period
        self._meter = meter
        self._served = served or ServedSet()
        self._batching = batching
        self._repositories = repositories
        self._stores_may_wait = stores_may_wait
        self._bases = bases
        self._oddities = Oddities()
        self._memory = ScanMemory()
        self._listing = RepositoryListing({})
        self._loaded: dict[tuple[str, int], str] = {}

    def scan(self) -> RepositoryListing:
        """Read the model config and the repositories, in one thread at a time. Raises
        RepositoryError.
        """
        now = time.time()
        served = self._served.look(now, self._quiet_period)
        listing = scan(
            self._roots, served=served.models, batching=self._batching, now=now,
            quiet_period=self._quiet_period, memory=self._memory,
            stores_may_wait=self._stores_may_wait, bases=self._bases,
        )  # fmt: skip
        return replace(listing, trouble=served.trouble, notes=served.notes, config_due=served.due)

    def names(self) -> Collection[str]:
        """The models the repositories hold."""
        return self._listing.models.keys()

    def incomplete(self, name: str) -> Mapping[int, str]:
        """The versions of a model that may not be loaded yet, each with the reason."""
        entry = self._listing.models.get(name)
        return entry.incomplete if entry is not None else {}

    def due(self, name: str) -> float | None:
        """When, in seconds since the epoch, a look will find more of a model; None for never."""
        entry = self._listing.models.get(name)
        return entry.due if entry is not None else None

    def note(self, listing: RepositoryListing) -> None:
        """Remember what is there without loading any of it."""
        self._oddities.say(listing)
        self._listing = listing
        if self._repositories is not None:
            for number in range(1, len(self._roots) + 1):
                self._repositories.looked(number, number not in listing.unreachable)
            of_config = [
                bool(entry.unreachable)
                for entry in listing.models.values()
                if entry.repository == MODEL_CONFIG and entry.mirrored
            ]
            if of_config:
                self._repositories.looked(MODEL_CONFIG, not any(of_config))

    def release(self, manager: LifecycleManager) -> None:
        """Let caches remove the versions that `manager` has no load of."""
        in_use = {(load.settings.name, load.version) for load in manager.versions()}
        for root in self._roots:
            if isinstance(root, Mirror):
                root.keep_only(in_use)
        if self._bases is not None:
            self._bases.keep_only(in_use)

    def announce(self, listing: RepositoryListing, manager: LifecycleManager) -> None:
        """Tell `manager` what the repositories hold now; what is gone from them is withdrawn.

        A repository that cannot be reached withdraws nothing.
        """
        gone = set(self._listing.models) - set(listing.models)
        down = {
            entry.name
            for entry in self._listing.models.values()
            if entry.unreachable or entry.repository in self._listing.unreachable
        }
        self.note(listing)
        for name in gone:
            log.info("model removed from its repository", model=name)
            manager.remove(name, REPOSITORY)
        for entry in listing.models.values():
            self._offer(entry, entry.settings, manager, REPOSITORY)
            reason = entry.unreachable or listing.unreachable.get(entry.repository)
            if reason and entry.settings is not None:
                manager.complain(entry.name, f"what it serves stays: {reason}", expected=True)
            if entry.mirrored and not reason and entry.name in down:
                manager.retry(entry.name)  # what could not be fetched meanwhile
        self._look_for_changes_in_place(manager)
        self._forget_what_is_gone(manager)

    def offer(
        self, name: str, manager: LifecycleManager, cause: str, config: str | None = None
    ) -> None:
        """Want what the repositories, as last read, hold of one model.

        `config` is a model configuration as JSON in place of the model's own settings. Raises
        InvalidArgument where there is no such model, or its settings are wrong.
        """
        entry = self._listing.models.get(name)
        if entry is None:
            unseen = "; ".join(f"repository {n}: {why}" for n, why in self._listing.unseen.items())
            reason = f", as far as they can be read; {unseen}" if unseen else ""
            raise InvalidArgument(
                f"load failed for model '{name}': no model repository holds it{reason}"
            )
        settings = entry.settings
        if config is not None:
            try:
                origin = settings.origin if settings is not None else ""
                settings = replace(parse_triton_json(config, name), origin=origin)
            except RepositoryError as error:
                raise InvalidArgument(f"parameter 'config': {error.reason}") from None
        if name in manager.models:
            manager.models[name].accept_all()
        self._offer(entry, settings, manager, cause)
        manager.retry(name)

    def find(self, settings: ModelSettings, version: int) -> Supplied:
        """Where that version lies and what a worker needs to load it; runs in a thread.

        Raises LoadError where the folder holds nothing to load, or not what was published.
        """
        entry = self._listing.models.get(settings.name)
        if entry is None:
            raise LoadError("its model is no longer in a model repository", "artifact")
        if entry.settings is not None and entry.settings.origin != settings.origin:
            raise LoadError("its model comes from another folder by now", "artifact")
        mirror = self._mirror_of(entry)
        if mirror is None and entry.mirrored:
            raise LoadError("its model comes from another place by now", "artifact")
        try:
            if mirror is not None:
                mirror.fetch(entry.name, version)
            artifact = locate(replace(entry, settings=settings, error=""), version)
            if reason := verify_version(entry, version):
                if mirror is not None:
                    mirror.discard(entry.name, version)
                raise LoadError(reason, "artifact")
        except RepositoryError as error:
            raise LoadError(error.reason, "artifact") from None
        mark = entry.fingerprints.get(version, "")
        self._loaded[settings.name, version] = mark

        def unchanged() -> bool:
            if mirror is not None:
                return mirror.holds(entry.name, version, mark)
            return is_unchanged(entry, version)

        spec = spec_of(settings, version, artifact, self._cpus, entry)
        return Supplied(
            spec, devices_of(settings), entry.sizes.get(version, 0), unchanged=unchanged
        )

    def _mirror_of(self, entry: ModelEntry) -> Mirror | None:
        if entry.repository == MODEL_CONFIG:
            return self._bases.mirror_of(entry) if self._bases is not None else None
        root = self._roots[entry.repository - 1] if entry.mirrored else None
        return root if isinstance(root, Mirror) else None

    def _offer(
        self,
        entry: ModelEntry,
        settings: ModelSettings | None,
        manager: LifecycleManager,
        cause: str,
    ) -> None:
        if settings is None:
            manager.complain(entry.name, entry.error)
            return
        model = manager.models.get(entry.name)
        serving = model.serving if model is not None else ()
        manager.aspire(settings, entry.candidates(serving), cause)
        if manager.models[entry.name].wanted:
            manager.complain(entry.name, "")
        else:
            # What is only a matter of time is no complaint; that it is passed over has been said.
            manager.complain(entry.name, _no_version(entry), expected=entry.due is not None)

    def _look_for_changes_in_place(self, manager: LifecycleManager) -> None:
        """A version that failed and was changed is tried again; one that serves stays as it is."""
        for version in manager.versions():
            key = (version.settings.name, version.version)
            entry = self._listing.models.get(version.settings.name)
            if entry is None or key not in self._loaded:
                continue
            if entry.settings is None or entry.settings.origin != version.settings.origin:
                continue
            now = entry.fingerprints.get(version.version)
            if now is None or now == self._loaded[key]:
                continue
            if version.state is State.FAILED:
                self._loaded[key] = now
                manager.retry(version.settings.name)
            elif version.state is State.READY:
                self._loaded[key] = now
                self._meter.changed_in_place(version.settings.name)
                log.warning(
                    "a published version changed in place; it stays as loaded. Publish a new "
                    "version instead", model=key[0], version=key[1],
                )  # fmt: skip

    def _forget_what_is_gone(self, manager: LifecycleManager) -> None:
        loads = {(version.settings.name, version.version) for version in manager.versions()}
        for key in list(self._loaded):  # a copy: threads that find versions add to it
            entry = self._listing.models.get(key[0])
            if key not in loads and (entry is None or key[1] not in entry.fingerprints):
                self._loaded.pop(key, None)


def spec_of(
    settings: ModelSettings, version: int, artifact: Artifact, cpus: int, entry: ModelEntry
) -> ModelSpec:
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
        max_queue_rows=settings.max_queue_rows,
        max_queue_bytes=settings.max_queue_bytes,
        warmup=settings.warmup,
        warmup_files=entry.warmup_files,
        golden_files=entry.golden_files,
        options=settings.options,
        aliases=settings.aliases,
    )


def devices_of(settings: ModelSettings) -> tuple[str, ...]:
    """One device per worker, dealt in turn."""
    return tuple(settings.devices[i % len(settings.devices)] for i in range(settings.workers))


def _no_version(entry: ModelEntry) -> str:
    if entry.versions:
        return f"its version policy asks for none of its versions {list(entry.versions)}"
    if entry.incomplete:
        return "; ".join(f"version {v}: {reason}" for v, reason in entry.incomplete.items())
    return "no version folder; expected a folder named by a number, such as 1"
