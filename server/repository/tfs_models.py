"""Reads TensorFlow Serving's model config, from its file or from a reload call, into our words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from protos import tfs_config_pb2 as pb
from server.repository.artifacts import RUNTIMES
from server.repository.errors import RepositoryError
from server.repository.names import LABEL_RULE, NAME_RULE, is_label, is_model_name, shown
from server.repository.names import MAX_VERSION as MOST
from server.repository.served import ServedModel
from server.repository.settings import VersionPolicy
from server.repository.settings_check import MAX_LABELS, MAX_SPECIFIC
from server.repository.store_url import parse_location
from server.repository.text_proto import parse_text, refusal

MAX_MODELS = 1000
MAX_PATH = 4096
TENSORFLOW = "tensorflow"
"""The platform that nearly every file names. It stands for whatever artifact lies there."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def parse_models(text: str, file: str) -> tuple[tuple[ServedModel, ...], tuple[str, ...]]:
    """The models that `text`, a ModelServerConfig in protobuf's text form, names, and what in it
    has no effect here, each as one sentence. Raises RepositoryError beginning with `file`.
    """
    config = pb.ModelServerConfig()
    parse_text(text, config, file)
    return served_models(config, file), tuple(ignored(config))


def served_models(config: pb.ModelServerConfig, source: str) -> tuple[ServedModel, ...]:
    """The models of a decoded config; raises RepositoryError, beginning with `source`, that names
    every entry that is wrong and what was expected.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise refusal(source, ["expected model_config_list, the one kind of config there is here"])
    entries = config.model_config_list.config
    if len(entries) > MAX_MODELS:
        raise refusal(source, [f"{len(entries)} models, expected at most {MAX_MODELS}"])
    wrong: list[str] = []
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        where = f"model {shown(entry.name)}" if entry.name else f"config[{index}]"
        wrong += [f"{where}: {reason}" for reason in _problems(entry)]
        if entry.name in seen:
            wrong.append(f"{where} is listed more than once")
        seen.add(entry.name)
    if wrong:
        raise refusal(source, wrong)
    return tuple(_served(entry) for entry in entries)


def ignored(config: pb.ModelServerConfig) -> Iterator[str]:
    """What the config asks for and does not get, though its models are served all the same."""
    for entry in config.model_config_list.config:
        if entry.HasField("logging_config"):
            yield f"model {shown(entry.name)}: logging_config has no effect; requests are not kept"


def base_path_problem(path: str) -> str:
    """Why `path` cannot be a model's base path, "" where it can."""
    if _SCHEME.match(path):
        try:
            parse_location(path)
        except RepositoryError as refused:
            return f"base_path: {refused.reason}"
        return ""
    if len(path) > MAX_PATH or "\0" in path:
        return f"base_path: expected at most {MAX_PATH} characters, none of them NUL"
    if not path.startswith("/") or ".." in PurePosixPath(path).parts:
        return f"base_path is {shown(path)}, expected an absolute path without '..'"
    return ""


def _problems(entry: pb.ModelConfig) -> Iterator[str]:
    if not is_model_name(entry.name):
        yield f"name: expected {NAME_RULE}"
    if reason := base_path_problem(entry.base_path):
        yield reason
    if entry.model_type == pb.OTHER:
        yield "model_type OTHER is not supported; leave it out"
    if entry.model_platform not in ("", TENSORFLOW, *RUNTIMES):
        known = ", ".join((TENSORFLOW, *RUNTIMES))
        yield f"model_platform is {shown(entry.model_platform)}, expected one of {known}"
    specific = entry.model_version_policy.specific.versions
    if entry.model_version_policy.HasField("specific") and not 0 < len(specific) <= MAX_SPECIFIC:
        yield f"model_version_policy.specific: expected 1 to {MAX_SPECIFIC} versions"
    if any(not 1 <= version <= MOST for version in specific):
        yield "model_version_policy.specific.versions: expected numbers of 1 or more"
    if len(entry.version_labels) > MAX_LABELS:
        yield f"{len(entry.version_labels)} version_labels, expected at most {MAX_LABELS}"
        return
    for label, version in sorted(entry.version_labels.items()):
        if not is_label(label):
            yield f"version_labels: {shown(label)} is no label; expected {LABEL_RULE}"
        elif version < 1:
            yield f"version_labels: {shown(label)} is {version}, expected a number of 1 or more"


def _served(entry: pb.ModelConfig) -> ServedModel:
    return ServedModel(
        entry.name,
        _normal(entry.base_path),
        "" if entry.model_platform == TENSORFLOW else entry.model_platform,
        _policy(entry),
        dict(entry.version_labels),
    )


def _normal(base_path: str) -> str:
    """One spelling for one place."""
    return str(parse_location(base_path) if _SCHEME.match(base_path) else PurePosixPath(base_path))


def _policy(entry: pb.ModelConfig) -> VersionPolicy | None:
    policy = entry.model_version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return VersionPolicy(latest=None)
        case "specific":
            return VersionPolicy(latest=None, specific=tuple(sorted({*policy.specific.versions})))
        case "latest":
            # An absent number reads as 0 and means one.
            return VersionPolicy(latest=max(1, policy.latest.num_versions))
        case _:
            return None


def one_model(name: str, base_path: str) -> ServedModel:
    """The model that a name and a base path alone describe; raises RepositoryError."""
    if not is_model_name(name):
        raise RepositoryError(f"model-name: expected {NAME_RULE}")
    if reason := base_path_problem(base_path):
        raise RepositoryError(reason.replace("base_path", "model-base-path"))
    return ServedModel(name, _normal(base_path))
