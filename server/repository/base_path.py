"""Looks at a model that a model config names: the folder of its versions, wherever that lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from server.repository.errors import RepositoryError
from server.repository.listing import MODEL_CONFIG, ModelEntry
from server.repository.model_folder import Look, read_model
from server.repository.roots import reach_base
from server.repository.served import ServedModel, settings_of


def read_served(served: ServedModel, look: Look, before: ModelEntry | None) -> ModelEntry:
    """The model as it is, or as it was `before` where its base path cannot be read now.

    A base path that was never there makes an entry with the error. Links inside it are followed as
    long as they stay inside.
    """
    if before is not None and (before.settings is None or before.settings.origin != served.origin):
        before = None
    try:
        root = reach_base(Path(served.base_path)).path
        entry = read_model(root, served.name, look, MODEL_CONFIG)
        if entry.unreachable:
            raise RepositoryError(entry.unreachable)
    except RepositoryError as refused:
        if before is not None:
            return replace(before, unreachable=refused.reason, due=None)
        return ModelEntry(
            served.name, Path(served.base_path), None, error=refused.reason,
            unreachable=refused.reason, repository=MODEL_CONFIG,
        )  # fmt: skip
    return with_settings(served, entry)


def with_settings(served: ServedModel, entry: ModelEntry) -> ModelEntry:
    """The model with what the model config says of it, or with the error where that is no match."""
    if entry.settings is None:
        return entry
    try:
        return replace(entry, settings=settings_of(served, entry.settings))
    except RepositoryError as refused:
        return replace(entry, settings=None, error=refused.reason)
