from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.access.credentials import MAX_HEADER, Credentials, credentials
from server.errors import Unauthenticated


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("", None),
        ("Bearer abc", Credentials("abc")),
        ("bearer a.b-c_d~e+f/g==", Credentials("a.b-c_d~e+f/g==")),
        ("BEARER   abc", Credentials("abc")),
        (basic("shop:s3cret"), Credentials("s3cret", "shop")),
        (basic("shop:with:colons"), Credentials("with:colons", "shop")),
    ],
)
def test_what_is_shown(header, shown):
    assert credentials(header, basic=True) == shown


@pytest.mark.parametrize(
    "header",
    [
        "abc", "Bearer", "Bearer ", "Bearer a b", "Bearer abc ", " Bearer abc", "Bearer\tabc",
        "Bearer a,b", "Bearer abc\n", "Bearerabc", "Digest abc", "Bearer é",
        "Bearer " + "a" * MAX_HEADER,
        "Basic !", "Basic YQ", basic("no colon"), basic(":token"), basic("shop:"),
        "Basic " + base64.b64encode(b"shop:\xff").decode(),
    ],
)  # fmt: skip
def test_what_is_neither_is_refused(header):
    with pytest.raises(Unauthenticated, match=r"^Authorization: expected"):
        credentials(header, basic=True)


def test_where_no_browsers_come_a_name_with_a_password_is_refused():
    with pytest.raises(Unauthenticated, match=r"expected 'Bearer TOKEN'$"):
        credentials(basic("shop:s3cret"), basic=False)


@given(st.text(max_size=40), st.booleans())
def test_any_header_is_read_or_refused(header, basic):
    try:
        shown = credentials(header, basic=basic)
    except Unauthenticated:
        assert header
    else:
        assert (shown is None) == (header == "")
