"""Whether a model repository in an object store can be listed, and which models it has.

Its models are not examined: that would mean to download them.
"""

from __future__ import annotations

from collections.abc import Collection

from server.doctor.finding import Finding, Grade
from server.repository.errors import RepositoryError
from server.repository.served import ServedModel
from server.repository.store import OneModel, Store
from server.repository.store_keys import arrange
from server.repository.store_url import StoreUrl


def check_base(model: ServedModel, url: StoreUrl) -> Finding:
    """What a listing of the base path of a model config's entry says."""
    details = {"store": str(url)}
    try:
        found = arrange(OneModel(Store(url), model.name).list()).models.get(model.name)
    except RepositoryError as error:
        advice = "see docs/object-stores.md"
        return Finding("models", model.name, Grade.PROBLEM, error.reason, advice, details)
    versions = sorted(found.versions) if found is not None else []
    grade = Grade.OK if versions else Grade.WARNING
    text = f"{url} can be listed and has versions {versions}; they are not examined"
    return Finding("models", model.name, grade, text, details=details)


def check_store(number: int, url: StoreUrl) -> tuple[Finding, Collection[str]]:
    """What a listing of repository `number` says, and the names of its models."""
    name, details = f"repository-{number}", {"store": str(url)}
    try:
        models = arrange(Store(url).list()).models
    except RepositoryError as error:
        advice = "see docs/object-stores.md"
        return Finding("repositories", name, Grade.PROBLEM, error.reason, advice, details), ()
    grade = Grade.OK if models else Grade.WARNING
    text = f"{url} can be listed and has {len(models)} models; they are not examined"
    return Finding("repositories", name, grade, text, details=details), models.keys()
