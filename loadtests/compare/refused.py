"""What to do about a server that wants a token, or another one than it was shown."""

from __future__ import annotations

import requests

from loadtests.compare.places import Place
from loadtests.compare.underway import ServerError

TORCHSERVE = "400 InvalidKeyException"
"""TorchServe's status and type of error, whatever is wrong with a token."""

UNKNOWN = ("401", "UNAUTHENTICATED", TORCHSERVE)
FORBIDDEN = ("403", "PERMISSION_DENIED")


class RefusedError(ServerError):
    """A server lets nobody in without a token, or not with this one, or sends everybody elsewhere;
    the message says what to do.

    It ends a comparison, as a mistake in the spec does.
    """


def check_answer(place: Place, answer: requests.Response) -> None:
    """Raise RefusedError where it is about who asked, or where the answer is to be had.

    Redirects are not to be followed: the load follows none, and `requests` would show each place
    what it finds for it in a .netrc.
    """
    code = str(answer.status_code)
    status, _, kind = TORCHSERVE.partition(" ")
    if code == status and place.protocol == "torchserve" and kind in answer.text:
        code = TORCHSERVE
    if answer.is_redirect:
        raise RefusedError(
            f"candidate '{place.name}': the server sends requests on to another place ({code}): "
            "say where that is instead"
        )
    _raise_if_refused(place, code)


def check_error(place: Place, error: Exception) -> None:
    """The same for what gRPC raised, which is a call, too; nothing of other errors."""
    code = getattr(error, "code", None)
    if callable(code):
        _raise_if_refused(place, str(code().name))


def _raise_if_refused(place: Place, code: str) -> None:
    if code in (*UNKNOWN, *FORBIDDEN):
        reason = why(code, has_token=bool(place.token.text))
        raise RefusedError(f"candidate '{place.name}': {reason}")


def why(code: str, *, has_token: bool) -> str:
    """In words what was refused with `code`, and what to do (pure)."""
    if not has_token:
        return f"the server wants a token ({code}): say token_file, a file with one"
    if code in UNKNOWN:
        return (
            f"the server does not take the token ({code}): put one into token_file that it knows "
            "and that has not expired"
        )
    return (
        f"the server does not allow this with the token ({code}): put one into token_file that may "
        "ask the model and see its metadata"
    )
