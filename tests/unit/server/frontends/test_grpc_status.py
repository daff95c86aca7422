"""Errors travel as gRPC's status fields: short, printable, and with a hint where there is one."""

from urllib.parse import unquote

import pytest

from runtimes.contract.codes import Code
from server.errors import Overloaded, error_for
from server.frontends.grpc_status import STATUS_NUMBER, status_fields


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_its_number(code):
    assert dict(status_fields(error_for(code, "w")))[b"grpc-status"] == b"%d" % STATUS_NUMBER[code]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("plain, 'with' ~ signs", b"plain, 'with' ~ signs"),
        ("100 %", b"100 %25"),
        ("\u00e9\r\n\0", b"%C3%A9%0D%0A%00"),
    ],
)
def test_text_is_percent_encoded_where_it_must_be(text, told):
    assert dict(status_fields(error_for(Code.INTERNAL, text)))[b"grpc-message"] == told


def test_a_long_text_is_cut_between_characters():
    message = dict(status_fields(error_for(Code.INTERNAL, "\u00e9" * 5000)))[b"grpc-message"]
    assert unquote(message.decode(), errors="strict") == "\u00e9" * 1000
    assert len(message) < 8192


def test_a_retry_hint_travels_in_milliseconds():
    fields = dict(status_fields(Overloaded("full", retry_after=0.25)))
    assert fields[b"grpc-retry-pushback-ms"] == b"250"
