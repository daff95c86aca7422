"""Where each candidate answers: servers are started for models, others are only looked up."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from loadtests.compare.spec import Candidate, Spec
from loadtests.compare.terms import frontends, model_settings
from loadtests.compare.token_file import read_token
from loadtests.compare.underway import ServerError, Underway, start
from loadtests.generator.target import GRPC, TargetProtocol
from loadtests.generator.trust import Trust
from loadtests.wire.token import Token

HIDDEN = ("golden", "warmup")
"""Folders of a model that are not copied: each candidate is asked the same, and warmed alike."""


@dataclass(frozen=True, slots=True)
class Place:
    """A candidate, ready to be asked.

    `rest` is where the Open Inference Protocol's statistics are, "" where nowhere, `pid` the
    server's process, 0 where not known, `folder` the model's in the server's repository, `trust`
    who vouches for it over TLS, `token` what it is shown.
    """

    candidate: Candidate
    protocol: TargetProtocol
    address: str
    model: str
    rest: str
    pid: int
    settings: dict[str, Any]
    server: Underway | None = None
    folder: Path | None = None
    shared: bool = False
    trust: Trust = field(default_factory=Trust)
    token: Token = field(default_factory=Token)

    @property
    def name(self) -> str:
        """The candidate's."""
        return self.candidate.name

    @property
    def artifact_bytes(self) -> int | None:
        """The size of the version's folder; None where it is not here."""
        if self.folder is None:
            return None
        files = [path for path in (self.folder / "1").rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files)


@contextlib.contextmanager
def places(spec: Spec, base: Path, work: Path) -> Iterator[list[Place]]:
    """All candidates, loaded; `base` is what paths in the spec start from. Raises ServerError."""
    servers: list[Underway] = []
    try:
        # First, because their files may be wrong: then nothing need be started.
        found = {one.name: _elsewhere(spec, one, base) for one in spec.candidates if one.url}
        for number, group in enumerate(_groups(spec)):
            folder = work / f"server{number}"
            found |= _start(spec, group, base, folder, servers)
        yield [found[candidate.name] for candidate in spec.candidates]
    finally:
        for server in servers:
            try:
                server.stop()
            except KeyboardInterrupt:  # a second Ctrl-C: no more waiting, but nothing is left
                server.process.kill()


def _groups(spec: Spec) -> list[list[Candidate]]:
    """Candidates that share a server: each has its own, or those with the same settings of it."""
    groups: dict[object, list[Candidate]] = {}
    for candidate in spec.candidates:
        if not candidate.url:
            flags = tuple(sorted(candidate.server.items(), key=str))
            groups.setdefault(flags if spec.together else candidate.name, []).append(candidate)
    return list(groups.values())


def _start(
    spec: Spec, group: Sequence[Candidate], base: Path, folder: Path, servers: list[Underway]
) -> dict[str, Place]:
    repository = folder / "models"
    repository.mkdir(parents=True)
    names = _model_names(group)
    settings = {
        candidate.name: _copy(spec, candidate, base, repository / names[candidate.name])
        for candidate in group
    }
    # All is there before the server starts: it need not wait for copying to end.
    flags = ["--quiet-period=0", f"--frontends={frontends(spec, group[0])}"]
    for name, value in group[0].server.items():
        if name != "frontends":
            text = str(value).lower() if isinstance(value, bool) else str(value)
            flags.append(f"--{name.replace('_', '-')}={text}")
    server = start(repository, folder / "log", flags)
    servers.append(server)
    try:
        server.wait_until_loaded(list(names.values()))
    except OSError as error:
        raise ServerError(f"the server does not answer ({type(error).__name__})") from None
    return {
        candidate.name: Place(
            candidate, spec.protocol_of(candidate),
            server.grpc if spec.protocol_of(candidate) in GRPC else server.rest,
            names[candidate.name], server.rest, server.process.pid, settings[candidate.name],
            server, repository / names[candidate.name], len(group) > 1,
        )
        for candidate in group
    }  # fmt: skip


def settings_of(spec: Spec, candidate: Candidate, base: Path) -> dict[str, Any]:
    """The model.yaml that a candidate will have; raises ServerError where its own can't be read."""
    if candidate.url:
        return {}
    source = base / candidate.model
    if (source / "config.pbtxt").exists():
        raise ServerError(
            f"candidate '{candidate.name}': has a config.pbtxt; write its settings as model.yaml"
        )
    own: Any = {}
    try:
        if (source / "model.yaml").exists():
            own = yaml.safe_load((source / "model.yaml").read_text("utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError):
        own = None
    if not isinstance(own, dict):
        raise ServerError(f"candidate '{candidate.name}': its model.yaml can't be read")
    for name in ("version_policy", "labels"):  # of the versions that were there
        own.pop(name, None)
    return model_settings(spec, candidate, own)


def _copy(spec: Spec, candidate: Candidate, base: Path, target: Path) -> dict[str, Any]:
    """The newest version of the candidate's model as version 1 in `target`, and its settings."""
    source = base / candidate.model
    versions = [path for path in source.glob("*") if path.name.isdecimal() and path.is_dir()]
    if not versions:
        raise ServerError(
            f"candidate '{candidate.name}': {candidate.model} has no version; expected a model's "
            "folder, as in a model repository"
        )
    newest = max(versions, key=lambda path: int(path.name))
    settings = settings_of(spec, candidate, base)
    shutil.copytree(source, target, ignore=lambda folder, names: _left_out(source, folder, names))
    shutil.copytree(newest, target / "1")
    (target / "model.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    return settings


def _left_out(source: Path, folder: str, names: list[str]) -> set[str]:
    if Path(folder) != source:
        return set()
    return {name for name in names if name.isdecimal() or name in HIDDEN or name[0] == "."}


def _elsewhere(spec: Spec, candidate: Candidate, base: Path) -> Place:
    protocol = spec.protocol_of(candidate)
    url = candidate.url.rstrip("/")
    speaks_statistics = protocol in ("rest", "rest-json")
    rest = candidate.rest.rstrip("/") or (url if speaks_statistics else "")
    return Place(
        candidate, protocol, url, candidate.model, rest, candidate.pid, {},
        trust=_trust(candidate, base), token=read_token(candidate, base),
    )  # fmt: skip


def _trust(candidate: Candidate, base: Path) -> Trust:
    """With the file's place as other processes find it, too."""
    if not candidate.ca_file:
        return Trust(insecure=candidate.insecure)
    path = (base / candidate.ca_file).resolve()
    try:
        Trust(str(path)).context()
    except OSError as error:  # which ssl's errors are, too
        reason = error.strerror if isinstance(error, FileNotFoundError) else "no certificates in it"
        raise ServerError(
            f"candidate '{candidate.name}': ca_file: expected a file of certificates as PEM, got "
            f"{candidate.ca_file} ({reason})"
        ) from None
    return Trust(str(path), candidate.insecure)


def _model_names(group: Sequence[Candidate]) -> dict[str, str]:
    """A name per candidate that a model repository takes."""
    return {
        candidate.name: (re.sub(r"[^A-Za-z0-9_]+", "-", candidate.name).strip("-") or "model")[:60]
        + (f"-{number}" if len(group) > 1 else "")
        for number, candidate in enumerate(group)
    }
