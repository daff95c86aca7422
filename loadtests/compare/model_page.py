"""What a candidate's server says of the model, by the Open Inference Protocol over REST."""

from __future__ import annotations

from urllib.parse import quote

import requests

from loadtests.compare.places import Place
from loadtests.compare.refused import check_answer


def model_page(place: Place, page: str, timeout: float) -> requests.Response:
    """The answer to GET of the model's `page`, "" for its metadata; waits `timeout` seconds.

    Raises RefusedError where it is not shown to us, and requests.RequestException.
    """
    answer = requests.get(
        f"{place.rest}/v2/models/{quote(place.model, safe='')}{page}", timeout=timeout,
        verify=place.trust.verify, auth=place.token.auth, allow_redirects=False,
    )  # fmt: skip
    check_answer(place, answer)
    return answer
