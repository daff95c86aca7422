"""What of the model repositories would be served, and what not and why."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.doctor.finding import Finding, Grade
from server.lifecycle.footprint import estimate
from server.repository.aspired import aspired
from server.repository.batching_defaults import BatchingDefaults
from server.repository.errors import RepositoryError
from server.repository.files import list_folder
from server.repository.listing import ModelEntry, RepositoryListing
from server.repository.local import locate, scan, verify_version
from server.repository.roots import reach
from server.repository.served import ServedModel
from server.repository.settings import ModelSettings

AREA = "models"


@dataclass(frozen=True, slots=True)
class Served:
    """A version that would be served: by which runtime and on which devices.

    `size` is that of its files, `footprint` what its workers may need in memory, in bytes.
    """

    model: str
    version: int
    runtime: str
    devices: tuple[str, ...]
    size: int
    footprint: int


@dataclass(frozen=True, slots=True)
class Health:
    """What was found, and what would be served."""

    findings: list[Finding]
    served: list[Served]


def check_folder(number: int, folder: Path) -> Finding:
    """Whether repository `number` can be read, and who else may change it."""
    name, details = f"repository-{number}", {"folder": str(folder)}
    try:
        root = reach(folder, number)
        list_folder(root.path, root.path)
        mode = root.path.stat().st_mode
    except (RepositoryError, OSError) as error:
        reason = error.reason if isinstance(error, RepositoryError) else str(error.strerror)
        advice = f"user {os.getuid()} must be able to read and enter {folder} and all in it"
        return Finding("repositories", name, Grade.PROBLEM, reason, advice, details)
    if mode & stat.S_IWOTH:
        return Finding(
            "repositories", name, Grade.WARNING, f"every user may change what lies in {folder}",
            "models are code: `chmod o-w` it", details,
        )  # fmt: skip
    return Finding("repositories", name, Grade.OK, f"{folder} can be read", details=details)


def look(
    roots: Sequence[Path], served: Sequence[ServedModel], batching: BatchingDefaults | None,
    quiet_period: float,
) -> RepositoryListing:  # fmt: skip
    """The repositories as the server would see them now. Raises RepositoryError."""
    return scan(roots, served=served, batching=batching, now=time.time(), quiet_period=quiet_period)


def examine(listing: RepositoryListing, required: Collection[str], *, verify: bool) -> Health:
    """Every model of `listing`; `verify` reads all files that have a manifest."""
    health = Health([], [])
    for entry in listing.models.values():
        findings, served = examine_model(entry, verify=verify)
        health.findings.extend(findings)
        health.served.extend(served)
    health.findings.extend(
        Finding(AREA, entry.name, Grade.WARNING, f"passed over: {entry.error}",
                "give it another name, or remove one of the two")
        for entry in listing.shadowed
    )  # fmt: skip
    health.findings.extend(
        Finding(AREA, "passed-over", Grade.WARNING, text) for text in listing.ignored
    )
    health.findings.extend(check_required(required, health.served))
    if not listing.models:
        health.findings.append(
            Finding(AREA, "none", Grade.WARNING, "there is no model",
                    "`underway demo DIR` builds some, `underway publish` puts yours in place")
        )  # fmt: skip
    return health


def examine_model(entry: ModelEntry, *, verify: bool) -> tuple[list[Finding], list[Served]]:
    """One model: what would be served of it, and what is wrong with the rest."""
    if entry.settings is None:
        advice = "put its model.yaml right; docs/model-repository.md has every field"
        return [Finding(AREA, entry.name, Grade.PROBLEM, entry.error, advice)], []
    findings, served = [], []
    for version in aspired(entry.settings.version_policy, entry.versions):
        one = _version(entry, entry.settings, version, verify=verify)
        if isinstance(one, Finding):
            findings.append(one)
        else:
            served.append(one)
    findings.extend(_held_back(entry))
    findings.extend(_labels(entry))
    findings.extend(Finding(AREA, entry.name, Grade.WARNING, text) for text in entry.ignored)
    return [_summary(entry, served, bool(findings)), *findings], served


def check_required(required: Collection[str], served: Collection[Served]) -> list[Finding]:
    """Models without which the server would never be ready."""
    there = {one.model for one in served}
    return [
        Finding(AREA, name, Grade.PROBLEM, "required, but nothing of it would be served",
                "the server will not be ready: publish it, or do not require it")
        for name in sorted(set(required) - there)
    ]  # fmt: skip


def _version(
    entry: ModelEntry, settings: ModelSettings, version: int, *, verify: bool
) -> Served | Finding:
    name = f"{entry.name}/{version}"
    try:
        artifact = locate(entry, version)
        reason = verify_version(entry, version) if verify else ""
    except RepositoryError as error:
        reason = error.reason
    if reason:
        advice = "publish it anew, under the next number, with `underway publish`"
        return Finding(AREA, name, Grade.PROBLEM, f"cannot be loaded: {reason}", advice)
    size = entry.sizes.get(version, 0)
    need = estimate(settings.footprint_bytes, None, size).bytes * settings.workers
    return Served(entry.name, version, artifact.runtime, settings.devices, size, need)


def _summary(entry: ModelEntry, served: Sequence[Served], troubled: bool) -> Finding:
    if served:
        versions = ", ".join(f"version {one.version} ({one.runtime})" for one in served)
        details = {"versions": [str(one.version) for one in served],
                   "bytes": sum(one.size for one in served)}  # fmt: skip
        return Finding(AREA, entry.name, Grade.OK, f"serves {versions}", details=details)
    if entry.versions and not troubled:
        text = f"its version policy asks for none of its versions {list(entry.versions)}"
        return Finding(AREA, entry.name, Grade.WARNING, text, "change version_policy in model.yaml")
    grade = Grade.WARNING if entry.due is not None else Grade.PROBLEM
    advice = "" if troubled else "a version is a folder named by a number, such as 1"
    return Finding(AREA, entry.name, grade, "nothing of it would be served", advice)


def _held_back(entry: ModelEntry) -> list[Finding]:
    """Versions that are there and may not be loaded, yet or at all."""
    waits = "it is taken up once it was quiet for --quiet-period, if nobody writes to it"
    torn = "copy it again, best with `underway publish`, which puts a version in place whole"
    return [
        Finding(AREA, f"{entry.name}/{version}", Grade.WARNING, f"not loaded yet: {reason}",
                waits if entry.due is not None else torn)
        for version, reason in entry.incomplete.items()
    ]  # fmt: skip


def _labels(entry: ModelEntry) -> list[Finding]:
    labels = entry.settings.labels if entry.settings is not None else {}
    return [
        Finding(AREA, entry.name, Grade.WARNING,
                f"label '{label}' points to version {version}, which is not there",
                "it will answer once that version is published")
        for label, version in labels.items()
        if version not in entry.versions
    ]  # fmt: skip
