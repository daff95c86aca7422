"""A port that cannot be had is told with the reason and the flag to change."""

from __future__ import annotations

import errno
import socket

import pytest

from server.doctor.finding import Grade
from server.doctor.ports import check_port, judge_port


def test_a_taken_port_is_a_problem_and_a_free_one_is_none():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        taken = check_port("http-port", "127.0.0.1", port)

    assert taken.grade is Grade.PROBLEM
    assert f"127.0.0.1:{port} cannot be had: Address already in use" in taken.text
    assert "--http-port" in taken.advice
    assert check_port("http-port", "127.0.0.1", port).grade is Grade.OK


def test_any_free_port_will_be_found():
    assert check_port("grpc-port", "127.0.0.1", 0).grade is Grade.OK


@pytest.mark.parametrize("host", ["203.0.113.1", "nowhere.invalid"])
def test_an_address_that_is_not_this_machines_is_a_problem(host):
    found = check_port("http-port", host, 0)

    assert found.grade is Grade.PROBLEM
    assert "0.0.0.0" in found.advice


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EACCES, "ports below 1024"), (errno.EMFILE, "choose another with --http-port")],
)
def test_other_reasons_are_told_too(number, words):
    found = judge_port("http-port", "h", 80, OSError(number, "no"))

    assert found.grade is Grade.PROBLEM
    assert words in found.advice
