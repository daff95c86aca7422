"""Reads what the settings say of a model config and of batching, once, when the server starts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import structlog

from server.config import ConfigError, Settings
from server.repository.batching_defaults import BatchingDefaults
from server.repository.errors import RepositoryError
from server.repository.files import read_text
from server.repository.served import ServedModel
from server.repository.served_set import ServedSet
from server.repository.store_url import StoreUrl
from server.repository.tfs_batching import parse_batching, without_parameters
from server.repository.tfs_models import one_model

log = structlog.get_logger()


def served_set(settings: Settings) -> ServedSet | None:
    """The models that the settings name one by one, None where they name none that way.

    Raises ConfigError.
    """
    try:
        if settings.model_config_file is not None:
            return ServedSet(file=settings.model_config_file)
        if settings.model_base_path is not None:
            where = settings.model_base_path
            if isinstance(where, Path):
                # Not resolved: a link that is moved to another folder shall be followed.
                where = Path(os.path.normpath(Path.cwd() / where))
            return ServedSet([one_model(settings.model_name, str(where))])
    except RepositoryError as error:
        name = "model-config-file" if settings.model_config_file else "model-base-path"
        raise ConfigError(f"{name}: {error.reason}") from None
    return None


def batching_defaults(settings: Settings) -> BatchingDefaults | None:
    """How requests are joined for models that do not say, None where they are not.

    Raises ConfigError.
    """
    file = settings.batching_parameters_file
    if not settings.enable_batching:
        return None
    if file is None:
        return without_parameters()
    try:
        real = file.resolve(strict=True)
        defaults, notes = parse_batching(read_text(real.parent, real), file.name)
    except OSError as error:
        raise ConfigError(f"batching-parameters-file: {file}: {error.strerror}") from None
    except RepositoryError as error:
        raise ConfigError(f"batching-parameters-file: {error.reason}") from None
    for note in notes:
        log.warning("batching parameter without effect", what=note)
    return defaults


def reload_folders(
    settings: Settings, models: Sequence[ServedModel]
) -> tuple[Path | StoreUrl, ...]:
    """Where base paths may lie that a call names: as set, else beside those of the start.

    That never makes it the whole machine, nor a whole bucket.
    """
    if settings.reload_folders:
        return settings.reload_folders
    beside = {model.location.parent for model in models}
    return tuple(sorted((one for one in beside if one and one != Path("/")), key=str))
