"""Says why a store did not answer, in our words: what an SDK says may hold keys and addresses;
pure.
"""

from __future__ import annotations

from server.repository.errors import RepositoryError

_REFUSED = {
    "NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "ProfileNotFound",
    "ClientAuthenticationError", "DefaultCredentialsError", "RefreshError", "PermissionError",
    "CredentialRetrievalError",
}  # fmt: skip


class Unanswered(RepositoryError):
    """The store cannot be reached, or does not answer properly; what was asked does not matter."""


def explained(error: BaseException) -> RepositoryError:
    """The error that says why, and nothing secret."""
    name = type(error).__name__
    chain = _chain(error)
    if is_refusal(error):
        return RepositoryError(
            "the store refuses the credentials, or there are none; see docs/object-stores.md "
            f"for where they come from ({name})"
        )
    if is_missing(error):
        return RepositoryError("the store has no such bucket or object")
    if any(isinstance(item, TimeoutError) for item in chain):
        return Unanswered(f"the store did not answer in time ({name})")
    return Unanswered(f"the store cannot be reached or does not answer properly ({name})")


def is_refusal(error: BaseException) -> bool:
    """Whether the store does not know or not allow who asks, or nobody is named."""
    return any(
        type(item).__name__ in _REFUSED or _status(item) in (401, 403) for item in _chain(error)
    )


def is_missing(error: BaseException) -> bool:
    """Whether the store says that there is no such thing."""
    if isinstance(error, FileNotFoundError):
        return True
    return any(_status(item) == 404 for item in _chain(error))


def _chain(error: BaseException) -> list[BaseException]:
    """An error and those behind it."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and len(chain) < 8:
        chain.append(following)
        following = following.__cause__ or following.__context__
    return chain


def _status(error: BaseException) -> int | None:
    for name in ("status_code", "status", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int):
            return value
    response = getattr(error, "response", None)
    if isinstance(value := getattr(response, "status_code", None), int):
        return value
    if isinstance(response, dict):
        meta = response.get("ResponseMetadata")
        value = meta.get("HTTPStatusCode") if isinstance(meta, dict) else None
        return value if isinstance(value, int) else None
    return None
